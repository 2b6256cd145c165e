package assets

import (
	"net/http"

	"berth/assets/httpsem"
)

// send makes the body what was negotiated: the representation, a part of it or several.
func (s *Site) send(dst *Plan, f *file) {
	a := &dst.answer
	dst.Body = Body{Kind: BodyBlob, Blob: f.Digest, BlobSize: a.Size, Length: a.Size}
	coding := a.ETag.Encoding
	if coding != httpsem.Identity {
		dst.Body.Blob, _, _ = s.variants.At(f.no, coding)
	}
	if dst.Status == http.StatusPartialContent && a.Ranges.Len() > 1 {
		dst.sendParts(f.typ.String()) // each part names its type and coding itself (RFC 9110 §15.3.7.2)
		return
	}
	dst.add("Content-Type", static(f.typ.String()))
	if coding != httpsem.Identity {
		dst.add("Content-Encoding", static(coding.String()))
	}
	if dst.Status == http.StatusPartialContent {
		part, start := a.Ranges.At(0), len(dst.scratch)
		dst.Body.Offset, dst.Body.Length = part.Offset, part.Length
		dst.scratch = httpsem.AppendContentRange(dst.scratch, part, a.Size)
		dst.add("Content-Range", dst.scratch[start:len(dst.scratch):len(dst.scratch)])
	}
}

// sendParts makes the body one of several parts (RFC 9110 §14.6).
func (p *Plan) sendParts(contentType string) {
	m := httpsem.Multipart{ETag: p.answer.ETag, ContentType: contentType, Size: p.answer.Size, Ranges: &p.answer.Ranges}
	p.parts = p.parts[:0]
	length := int64(0)
	for i := range m.Ranges.Len() {
		start, r := len(p.scratch), m.Ranges.At(i)
		p.scratch = m.AppendHead(p.scratch, i)
		head := p.scratch[start:len(p.scratch):len(p.scratch)]
		p.parts = append(p.parts, Part{Head: head, Offset: r.Offset, Length: r.Length})
		length += int64(len(head)) + r.Length
	}
	start := len(p.scratch)
	p.scratch = m.AppendTail(p.scratch)
	mid := len(p.scratch)
	p.scratch = m.AppendContentType(p.scratch)
	p.Body.Kind, p.Body.Parts, p.Body.Tail = BodyMultipart, p.parts, p.scratch[start:mid:mid]
	p.Body.Length = length + int64(mid-start)
	p.add("Content-Type", p.scratch[mid:len(p.scratch):len(p.scratch)])
}

// refuseRange is 416: no byte of the representation was asked for (RFC 9110 §15.5.17).
func (p *Plan) refuseRange() {
	start := len(p.scratch)
	p.scratch = httpsem.AppendUnsatisfiedRange(p.scratch, p.answer.Size)
	p.add("Content-Range", p.scratch[start:len(p.scratch):len(p.scratch)])
	p.add("Accept-Ranges", static("bytes"))
}
