package functions

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
	"berth/store"
)

const testBundle = "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n" +
	`{"main_module":"w.js","bindings":[{"name":"OWN","type":"plain_text","text":"of the bundle"},{"name":"DB","type":"d1"}]}` +
	"\r\n--b\r\nContent-Disposition: form-data; name=\"w.js\"; filename=\"w.js\"\r\nContent-Type: application/javascript+module\r\n\r\nexport default {}" +
	"\r\n--b\r\nContent-Disposition: form-data; name=\"w.js.map\"; filename=\"w.js.map\"\r\nContent-Type: application/source-map\r\n\r\n{}" +
	"\r\n--b\r\nContent-Disposition: form-data; name=\"./x.wasm\"; filename=\"./x.wasm\"\r\nContent-Type: application/wasm\r\n\r\n\x00asm\n" +
	"\r\n--b--\r\n"

// What the dispatcher is sent: a line of JSON, and the modules' bytes.
func TestCode(t *testing.T) {
	settings := Settings{
		CompatibilityDate: "2024-02-02", CompatibilityFlags: []string{"nodejs_compat"},
		Vars: map[string]string{"OWN": "of the project", "SECRET": "\"s\""},
	}
	code, err := unpack([]byte(testBundle), settings)
	if err != nil {
		t.Fatal(err)
	}
	var sent bytes.Buffer
	if err := code.writeTo(&sent); err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(sent.String(), "\n")
	var got, want any
	if err := json.Unmarshal([]byte(head), &got); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal([]byte(`{"compatibilityDate":"2024-02-02","compatibilityFlags":["nodejs_compat"],"mainModule":"w.js",
		"env":{"OWN":"of the bundle","SECRET":"\"s\""},"modules":[{"name":"w.js","kind":"js","size":17},{"name":"./x.wasm","kind":"wasm","size":5}]}`), &want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if rest != "export default {}\x00asm\n" {
		t.Errorf("bytes %q", rest)
	}
	if code, _ = unpack([]byte(testBundle), Settings{}); code.CompatibilityDate != DefaultCompatibilityDate || code.CompatibilityFlags == nil {
		t.Errorf("without settings: %q, %v", code.CompatibilityDate, code.CompatibilityFlags)
	}
}

// records are those of one project with two deployments, the second without code.
type records struct{}

func (records) Deployment(no store.DeploymentNo) (store.Deployment, error) {
	d := store.Deployment{No: no, Project: 1, Environment: store.Preview}
	switch no {
	case 1:
		d.WorkerBundle = store.FileRef{Digest: manifest.Digest{1}, Size: int64(len(testBundle))}
	case 2:
	default:
		return d, store.ErrNotFound
	}
	return d, nil
}

func (records) Project(no store.ProjectNo) (store.Project, error) {
	return store.Project{No: no, Name: "p"}, nil
}

func (records) ReadVerified(g manifest.Digest, size int64) ([]byte, error) {
	if g != (manifest.Digest{1}) || size != int64(len(testBundle)) {
		return nil, errors.New("no such blob")
	}
	return []byte(testBundle), nil
}

func TestStored(t *testing.T) {
	s := &Stored{Store: records{}, Blobs: records{}, Settings: func(p store.Project, e store.Environment) (Settings, error) {
		if p.Name != "p" || e != store.Preview {
			t.Errorf("settings of %q, %v", p.Name, e)
		}
		return Settings{}, nil
	}}
	if code, err := s.Code(t.Context(), 1); err != nil || code.MainModule != "w.js" {
		t.Errorf("%+v, %v", code, err)
	}
	for _, no := range []store.DeploymentNo{2, 3} {
		if _, err := s.Code(t.Context(), no); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deployment %d: %v", no, err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	long := t.TempDir() + "/" + strings.Repeat("x", 100)
	err := Options{Command: "/nonexistent", Dir: long, Timeout: 1, MaxInFlight: -1, Memory: 1}.Check()
	for _, want := range []string{"command: ", "directory: ", "FunctionTimeout: ", "MaxFunctions: ", "FunctionsMemory: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if err := (Options{Command: "/bin/sh", Dir: t.TempDir()}).Check(); err != nil {
		t.Error(err)
	}
}
