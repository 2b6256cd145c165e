package edge

import (
	"strings"
	"testing"
)

// An operator looks for a damaged file by the name that the log gives.
func TestFaultsNameTheBlob(t *testing.T) {
	w := newWorld()
	lost := w.blobs.put(nil)
	lost[31] = 1 // a name that is not stored
	w.add("small.example", blobSite(lost, 10, 0, 10))
	w.add("large.example", blobSite(lost, 1<<20, 0, 1<<20))
	short := w.blobs.put(pattern(1 << 20))
	w.add("short.example", blobSite(short, 1<<20, 0, 1<<20))
	w.blobs.short = true
	for host, name := range map[string]string{
		"small.example": lost.String(), "large.example": lost.String(), "short.example": short.String(),
	} {
		r := start(t, w, Options{})
		_, _ = r.dial(t).send(get(host, "/")).read(false)
		eventually(t, "logged", func() bool { return strings.Contains(r.log.String(), "level=ERROR") })
		if !strings.Contains(r.log.String(), name) {
			t.Errorf("%s: %s is not in the log:\n%s", host, name, r.log.String())
		}
	}
}
