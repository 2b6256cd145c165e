package nginx

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the goldens of testdata anew")

// written is a configuration as the goldens have it.
func written(c *Config) string {
	var b strings.Builder
	for _, e := range c.Entries {
		fmt.Fprintf(&b, "%s %s %q (%s) = %s\n", e.Position, e.Source, e.Name, e.Kind, strings.TrimSpace(e.Action+" "+e.Value))
		fmt.Fprintf(&b, "\t%s", e.Class)
		if e.Reason != "" {
			fmt.Fprintf(&b, " (%s)", e.Reason)
		}
		fmt.Fprintf(&b, ": %s\n", e.Why)
		for _, n := range e.Notes {
			fmt.Fprintf(&b, "\t- %s: %s %s\n", n.Kind, n.Text, n.Example)
		}
	}
	for _, p := range c.Problems {
		fmt.Fprintf(&b, "problem %s\n", p)
	}
	fmt.Fprintf(&b, "%d files\n", len(c.Files))
	return b.String()
}

func TestGoldens(t *testing.T) {
	roots, err := filepath.Glob("testdata/*/etc/nginx/nginx.conf")
	if err != nil || len(roots) < 2 {
		t.Fatalf("configurations: %v, %v", roots, err)
	}
	for _, main := range roots {
		root := filepath.Dir(filepath.Dir(filepath.Dir(main)))
		t.Run(filepath.Base(root), func(t *testing.T) {
			c, err := Read(os.DirFS(root), "/etc/nginx/nginx.conf", Options{})
			if err != nil {
				t.Fatal(err)
			}
			golden := root + ".golden"
			if *rewrite {
				if err := os.WriteFile(golden, []byte(written(c)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), written(c)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
