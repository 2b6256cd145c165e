package assets

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"berth/assets/httpsem"
)

// TestBytesJoinedEqualTheBlob asks, for any file, coding and list of ranges, for what a client would: the body, taken apart
// by a reader that knows nothing of ours, must be the bytes that its Content-Range says, and those of a whole must decode
// to the file.
func TestBytesJoinedEqualTheBlob(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		content := drawContent(rt)
		s := encodedSite(t, map[string]string{"/f.txt": content}, map[string][]httpsem.Encoding{"/f.txt": codings}, Input{})
		e := rapid.SampledFrom(append(codings, httpsem.Identity)).Draw(rt, "coding")
		form := encoded(t, e, content)
		req := Request{Method: "GET", Target: "/f.txt", AcceptEncoding: "identity;q=0, " + e.String(), IfRange: s.tagOf("/f.txt", e)}
		var p Plan
		for range 4 { // a reused Plan answers as a new one does
			req.Range = drawRange(rt, len(form))
			s.Plan(&p, &req)
			covered := checkForm(t, rt, s, &p, req.Range, form)
			if len(covered) == len(form) && p.Body.Kind == BodyBlob && decoded(t, e, covered) != content {
				rt.Fatalf("%s: the whole does not decode to the file", e)
			}
		}
	})
}

func drawContent(rt *rapid.T) string {
	if rapid.Bool().Draw(rt, "regular") {
		return strings.Repeat(rapid.StringN(1, 5, 20).Draw(rt, "pattern"), rapid.IntRange(1, 200).Draw(rt, "times"))
	}
	return string(rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(rt, "content"))
}

func drawRange(rt *rapid.T, size int) string {
	at := rapid.OneOf(rapid.IntRange(0, size+2), rapid.SampledFrom([]int{0, size - 1, size, 1 << 62}))
	spec := rapid.Custom(func(rt *rapid.T) string {
		switch rapid.IntRange(0, 3).Draw(rt, "kind") {
		case 0:
			return fmt.Sprintf("%d-", at.Draw(rt, "from"))
		case 1:
			return fmt.Sprintf("-%d", at.Draw(rt, "last"))
		}
		from := at.Draw(rt, "from")
		return fmt.Sprintf("%d-%d", from, from+rapid.IntRange(0, 9).Draw(rt, "more"))
	})
	return "bytes=" + strings.Join(rapid.SliceOfN(spec, 1, 18).Draw(rt, "specs"), ",")
}

// checkForm compares a body with the form of the file that it is of, and returns what one run of it covers.
func checkForm(t testing.TB, rt *rapid.T, s testSite, p *Plan, asked, form string) string {
	body := s.body(t, p)
	switch p.Status {
	case 200:
		if body != form {
			rt.Fatalf("%s: not the whole", asked)
		}
		return body
	case 206:
		if kind, params, _ := mime.ParseMediaType(p.get("Content-Type")); kind == "multipart/byteranges" {
			checkParts(rt, multipart.NewReader(strings.NewReader(body), params["boundary"]), form, len(p.Body.Parts))
			return ""
		}
		checkPart(rt, p.get("Content-Range"), body, form)
		return body
	case 416:
		if want := fmt.Sprintf("bytes */%d", len(form)); p.get("Content-Range") != want || body != "" {
			rt.Fatalf("%s: %s, want %s", asked, p.get("Content-Range"), want)
		}
		return ""
	}
	rt.Fatalf("%s: %d", asked, p.Status)
	return ""
}

func checkParts(rt *rapid.T, parts *multipart.Reader, form string, want int) {
	n := 0
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			rt.Fatal(err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			rt.Fatal(err)
		}
		checkPart(rt, part.Header.Get("Content-Range"), string(content), form)
		n++
	}
	if n != want || n < 2 {
		rt.Fatalf("%d parts, want %d", n, want)
	}
}

func checkPart(rt *rapid.T, contentRange, content, form string) {
	var first, last, size int
	if _, err := fmt.Sscanf(contentRange, "bytes %d-%d/%d", &first, &last, &size); err != nil {
		rt.Fatalf("Content-Range: %s: %v", contentRange, err)
	}
	if size != len(form) || first > last || last >= size || content != form[first:last+1] {
		rt.Fatalf("%s of %d bytes is %q", contentRange, len(form), content)
	}
}
