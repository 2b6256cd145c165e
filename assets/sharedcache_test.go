package assets

import "testing"

func TestForSharedCaches(t *testing.T) {
	for name, want := range map[string]bool{
		"CDN-Cache-Control": true, "Cdn-Cache-Control": true, "cloudflare-cdn-cache-control": true, "Surrogate-Control": true,
		"X-Accel-Expires": true, "Edge-Control": true,
		"Cache-Control": false, "-Cache-Control": false, "Expires": false, "Vary": false, "": false, "Age-Control-": false,
	} {
		if got := ForSharedCaches(name); got != want {
			t.Errorf("ForSharedCaches(%q) = %v", name, got)
		}
	}
}
