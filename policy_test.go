package berth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layer says what a package may import of this module, and why no more than that. A name that ends in "/..." covers
// everything below it.
type layer struct {
	may []string
	why string
}

// layers is the import policy: imports run downwards only. A package that is not listed may not exist.
var layers = map[string]layer{
	"router/hostkey":  {nil, "names and hashes hosts; a leaf that does no I/O"},
	"assets/sparse":   {nil, "bytes that are read as they are wanted; knows no format and no file system"},
	"assets/manifest": {[]string{"assets/sparse"}, "a format; does no I/O but through sparse"},
	"assets/rules":    {nil, "parses and matches rule files; knows no store and no transport"},
	"assets/httpsem":  {nil, "HTTP semantics as pure functions"},
	"assets/hints":    {nil, "reads a document's links and keeps them by file; a leaf that does no I/O"},
	"assets/variants": {[]string{"assets/manifest", "assets/httpsem", "assets/sparse"}, "a format: in which content codings files are stored"},
	"assets/compress": {[]string{"assets/httpsem"}, "makes and checks content codings; never on behalf of a request"},
	"assets/kept":     {[]string{"assets/manifest", "assets/rules", "assets/httpsem"}, "a format: files of earlier deployments that are still answered"},
	"assets/bundle":   {nil, "a format: the code of a deployment's Functions; a leaf that knows no store"},
	"assets/sitefile": {nil, "parses berth.toml; knows no store"},
	"assets": {[]string{"assets/manifest", "assets/rules", "assets/httpsem", "assets/hints", "assets/variants", "assets/kept"},
		"the planner is pure: it decides, others fetch and send"},
	"assets/blob":     {[]string{"assets/manifest"}, "keeps bytes; knows nothing of sites or routes"},
	"assets/blob/...": {[]string{"assets/manifest", "assets/blob"}, "the suite that every blob store passes"},
	"store":           {[]string{"router/hostkey", "assets/manifest"}, "records and batches; what they mean is control's business"},
	"store/cache":     {nil, "a bounded cache that knows nothing of what it holds"},
	"assets/catalog":  {[]string{"assets", "assets/blob", "assets/manifest", "assets/rules", "assets/kept", "assets/sparse", "assets/variants", "store", "store/cache"}, "from a deployment's number to its compiled site"},
	"router":          {[]string{"router/hostkey", "store"}, "question and answer types, nothing else"},
	"router/hashed":   {[]string{"router", "router/hostkey", "store", "store/cache"}, "one resolver"},
	"router/legacy":   {[]string{"router", "router/hostkey", "store", "store/cache"}, "one resolver, deletable as one folder"},
	"router/rollout":  {[]string{"router", "router/hostkey"}, "chooses a resolver; reads no store on the request path"},
	"router/functions": {[]string{"assets/bundle", "assets/blob", "assets/manifest", "store"},
		"owns the process that runs the code of deployments, and knows how to talk to it; what a request is, is the edge's business"},
	"router/edge": {[]string{"router", "router/...", "assets", "assets/catalog", "assets/blob", "assets/manifest", "assets/httpsem", "assets/kept", "store", "store/cache"}, "the only transport code on the data path"},
	"store/control": {[]string{"store", "assets/blob", "assets/manifest", "assets/rules", "assets/httpsem", "assets/hints", "assets/variants", "assets/compress",
		"assets/kept", "assets/sitefile", "assets/bundle", "router/hostkey"}, "every state change; it must not know how requests are routed or answered"},
	"migrate":                {[]string{"migrate/...", "store", "store/control", "router", "router/...", "assets/manifest"}, "the phase machine"},
	"migrate/...":            {[]string{"migrate", "migrate/...", "store", "store/control", "router", "router/...", "assets/manifest"}, "parts of the phase machine"},
	"migrate/internal/world": {[]string{"migrate", "migrate/...", "store", "store/control", "router", "router/...", "assets/blob"}, "the server that tests of the phase machine migrate, control plane included"},
	"bench":                  {[]string{"assets", "assets/...", "router", "router/...", "store", "store/...", "migrate", "migrate/...", "bench/..."}, "may measure anything but the command"},
	"bench/...":              {[]string{"assets", "assets/...", "router", "router/...", "store", "store/...", "migrate", "migrate/...", "bench", "bench/..."}, "may measure anything but the command"},
	"cmd/berth":              {[]string{"..."}, "wires everything"},
	"cmd/berth/...":          {[]string{"..."}, "wires everything"},
}

func TestImportsRunDownwards(t *testing.T) {
	for pkg, imports := range inModuleImports(t) {
		l, ok := layerOf(pkg)
		if !ok {
			t.Errorf("package %s is not in the layout; give it a line in layers, with its reason, or move its code", pkg)
			continue
		}
		for _, imp := range imports {
			if !slices.ContainsFunc(l.may, func(pattern string) bool { return covers(pattern, imp) }) {
				t.Errorf("%s imports %s, which the layout forbids: %s", pkg, imp, l.why)
			}
		}
	}
}

// The top level is fixed, so that a newcomer finds the same folders that the documents name.
func TestTopLevelFolders(t *testing.T) {
	want := []string{"assets", "bench", "cmd", "migrate", "router", "store", "testdata"}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || e.Name() == "bin" || e.Name() == "berth-data" {
			continue
		}
		if !slices.Contains(want, e.Name()) {
			t.Errorf("top-level folder %s: only %v belong there", e.Name(), want)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		pattern, pkg string
		want         bool
	}{
		{"store", "store", true},
		{"store", "store/control", false},
		{"store/...", "store/control", true},
		{"store/...", "store", false},
		{"...", "anything/at/all", true},
	} {
		if got := covers(c.pattern, c.pkg); got != c.want {
			t.Errorf("covers(%q, %q) = %v, want %v", c.pattern, c.pkg, got, c.want)
		}
	}
}

func covers(pattern, pkg string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return strings.HasPrefix(pkg, base+"/")
	}
	return pattern == pkg
}

// layerOf prefers the exact line, then the longest "/..." line.
func layerOf(pkg string) (layer, bool) {
	if l, ok := layers[pkg]; ok {
		return l, true
	}
	for dir := path.Dir(pkg); dir != "."; dir = path.Dir(dir) {
		if l, ok := layers[dir+"/..."]; ok {
			return l, true
		}
	}
	return layer{}, false
}

// inModuleImports maps each package with non-test Go files to what it imports of this module.
func inModuleImports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || len(d.Name()) > 1 && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(p))
		found[pkg] = append(found[pkg], moduleImports(t, f.Imports)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 5 {
		t.Fatalf("found only %d packages: the walk looks in the wrong place", len(found))
	}
	return found
}

func moduleImports(t *testing.T, specs []*ast.ImportSpec) []string {
	t.Helper()
	var in []string
	for _, spec := range specs {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if rest, ok := strings.CutPrefix(name, "berth/"); ok {
			in = append(in, rest)
		}
	}
	return in
}
