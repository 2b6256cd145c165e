//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// Bundles of every shape that wrangler makes: modules of other types, source maps, and a configuration for both
// environments. Without --functions each must be taken whole, and the static files served.
func TestWranglerBundlesOfEveryShape(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	const config = "pages_build_output_dir = \"./public\"\ncompatibility_date = \"2025-01-01\"\n"
	for name, c := range map[string]struct {
		files  map[string]string
		branch string
	}{
		"modules": {branch: "main", files: map[string]string{
			"functions/m.js": "import text from './a.txt'; import bytes from './b.bin'; import wasm from './c.wasm';\n" +
				"export const onRequest = () => new Response(text + bytes.byteLength + (wasm instanceof WebAssembly.Module))",
			"functions/a.txt": "text", "functions/b.bin": "\x00\x01\x02", "functions/c.wasm": "\x00asm\x01\x00\x00\x00",
		}},
		"sourcemaps": {branch: "main", files: map[string]string{
			"wrangler.toml":  "name = \"sourcemaps\"\nupload_source_maps = true\n" + config,
			"functions/f.js": "export const onRequest = () => new Response('mapped')",
		}},
		"environments": {branch: "topic", files: map[string]string{
			"wrangler.toml":  "name = \"environments\"\n" + config + "[env.production.vars]\nWHERE = \"production\"\n[env.preview.vars]\nWHERE = \"preview\"\n",
			"functions/f.js": "export const onRequest = (c) => new Response(c.env.WHERE)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWrangler(t, s, "")
			w.site(map[string]string{"public/index.html": name})
			w.site(c.files)
			s.berth("project", "create", name, "--production-branch", "main")
			args := []string{"pages", "deploy", "--branch", c.branch}
			if _, ok := c.files["wrangler.toml"]; !ok {
				args = append(args, "public", "--project-name", name)
			}
			host := hostOf(urlIn(t, w.run(args...)))
			s.wantBody(host, "/", 200, name)
			var shown struct {
				UsesFunctions bool `json:"uses_functions"`
				Environment   string
			}
			lastJSON(t, s.berth("deployment", "show", host[:8], "--project", name, "--json"), &shown)
			if !shown.UsesFunctions || (shown.Environment == "preview") != (c.branch == "topic") {
				t.Errorf("deployment %s: %+v", host, shown)
			}
			if out := s.berth("fsck"); !strings.Contains(out, " 0 problem") {
				t.Errorf("fsck: %s", out)
			}
		})
	}
}
