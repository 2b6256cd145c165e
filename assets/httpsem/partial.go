package httpsem

import "strconv"

// AppendContentRange appends the Content-Range value of a part of a representation of size bytes (RFC 9110 §14.4).
func AppendContentRange(dst []byte, r Range, size int64) []byte {
	dst = append(dst, "bytes "...)
	dst = strconv.AppendInt(dst, r.Offset, 10)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, r.end()-1, 10)
	dst = append(dst, '/')
	return strconv.AppendInt(dst, size, 10)
}

// AppendUnsatisfiedRange appends the Content-Range value of a 416 (§15.5.17).
func AppendUnsatisfiedRange(dst []byte, size int64) []byte {
	return strconv.AppendInt(append(dst, "bytes */"...), size, 10)
}

// Multipart writes the multipart/byteranges body of a 206 with several ranges (RFC 9110 §14.6), but for the bytes of the
// parts, which go between one AppendHead and the next and before AppendTail.
//
// The response has neither a Content-Range nor a Content-Encoding of its own (§15.3.7.2): both are of the parts, and a
// client that decoded the whole body would get nonsense.
//
// The boundary is made of the tag's key. A file that held it would hold its own hash, and the answer to the same
// question is the same every time.
type Multipart struct {
	ETag        ETag
	ContentType string // that of a 200; "" if it had none
	Size        int64  // of the whole representation
	Ranges      *Ranges
}

const boundaryPrefix = "berth-"

// AppendContentType appends the Content-Type of the response.
func (m *Multipart) AppendContentType(dst []byte) []byte {
	return m.appendBoundary(append(dst, "multipart/byteranges; boundary="...))
}

// AppendHead appends what comes before the bytes of the i-th part: the delimiter and the part's fields.
func (m *Multipart) AppendHead(dst []byte, i int) []byte {
	dst = m.appendDelimiter(dst, i)
	if m.ContentType != "" {
		dst = append(dst, "Content-Type: "...)
		dst = append(dst, m.ContentType...)
		dst = append(dst, "\r\n"...)
	}
	if e := m.ETag.Encoding; e != Identity {
		dst = append(dst, "Content-Encoding: "...)
		dst = append(dst, e.String()...)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "Content-Range: "...)
	dst = AppendContentRange(dst, m.Ranges.At(i), m.Size)
	return append(dst, "\r\n\r\n"...)
}

// AppendTail appends what comes after the bytes of the last part.
func (m *Multipart) AppendTail(dst []byte) []byte {
	dst = m.appendBoundary(append(dst, "\r\n--"...))
	return append(dst, "--\r\n"...)
}

// ContentLength is the exact length of the body.
func (m *Multipart) ContentLength() int64 {
	var scratch [256]byte // more than any head without its Content-Type
	bare := *m
	bare.ContentType = ""
	typeLine := 0
	if m.ContentType != "" {
		typeLine = len("Content-Type: ") + len(m.ContentType) + len("\r\n")
	}
	n := int64(len(bare.AppendTail(scratch[:0])))
	for i := range m.Ranges.Len() {
		n += int64(len(bare.AppendHead(scratch[:0], i))+typeLine) + m.Ranges.At(i).Length
	}
	return n
}

func (m *Multipart) appendDelimiter(dst []byte, i int) []byte {
	if i > 0 { // the line break is the delimiter's, not the part's before (RFC 2046 §5.1.1)
		dst = append(dst, "\r\n"...)
	}
	return append(m.appendBoundary(append(dst, "--"...)), "\r\n"...)
}

func (m *Multipart) appendBoundary(dst []byte) []byte {
	return appendHex(append(dst, boundaryPrefix...), &m.ETag.Key)
}
