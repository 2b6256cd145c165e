package assets

import (
	"net/http"

	"berth/assets/httpsem"
)

// send is 200 with a file, 206 with a part of it or 416.
func (s *Site) send(dst *Plan, req *Request, entry int, tag httpsem.ETag) {
	dst.Status = http.StatusOK
	if req.Range == "" || dst.Head || !rangeApplies(req, tag) { // Range means something to GET alone (RFC 9110 §14.2)
		s.setBody(dst, entry)
	} else {
		s.sendPart(dst, req, entry)
	}
	dst.add("Accept-Ranges", static("bytes"))
}

// rangeApplies says whether If-Range, where it is there, names the bytes that we have (RFC 9110 §13.1.5).
func rangeApplies(req *Request, tag httpsem.ETag) bool {
	if req.IfRange == "" {
		return true
	}
	encoding, ok := httpsem.IfRange(req.IfRange, tag.Key)
	return ok && encoding == httpsem.Identity
}

// sendPart sends one range. To several, after those that touch are joined, the whole file is an answer too (§14.2): a
// body is one run of one blob.
func (s *Site) sendPart(dst *Plan, req *Request, entry int) {
	var ranges httpsem.Ranges
	size, start := s.files.At(entry).Size, len(dst.scratch)
	switch httpsem.ParseRanges(&ranges, req.Range, size) {
	case httpsem.RangeUnsatisfiable:
		dst.Status = http.StatusRequestedRangeNotSatisfiable
		dst.scratch = httpsem.AppendUnsatisfiedRange(dst.scratch, size)
	case httpsem.RangeSatisfiable:
		s.setBody(dst, entry)
		if ranges.Len() > 1 {
			return
		}
		part := ranges.At(0)
		dst.Status = http.StatusPartialContent
		dst.Body.Offset, dst.Body.Length = part.Offset, part.Length
		dst.scratch = httpsem.AppendContentRange(dst.scratch, part, size)
	default:
		s.setBody(dst, entry)
		return
	}
	dst.add("Content-Range", dst.scratch[start:len(dst.scratch):len(dst.scratch)])
}
