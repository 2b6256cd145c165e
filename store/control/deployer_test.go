package control

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
	"berth/router/hostkey"
	"berth/store"
)

// site is what a client deploys: path → content.
type site map[string]string

func keyOf(path, content string) manifest.AssetKey {
	return manifest.AssetKeyOf([]byte(content), manifest.Extension(path))
}

func (s site) manifest() string {
	m := make(map[string]string)
	for path, content := range s {
		m[path] = keyOf(path, content).String()
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// field is one part of a deployment form, in order.
type field struct{ name, content string }

func form(fields ...field) (contentType string, body []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		part, err := w.CreateFormField(f.name)
		if err == nil {
			_, err = part.Write([]byte(f.content))
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

type uploadItem struct {
	Key      string            `json:"key"`
	Value    string            `json:"value"`
	Metadata map[string]string `json:"metadata"`
	Base64   bool              `json:"base64"`
}

// uploadAs stores bytes under whatever key the caller says, and lets the server guess no extension: what it says is not proved.
func (a *api) uploadAs(project string, claims map[manifest.AssetKey]string) {
	a.t.Helper()
	var items []uploadItem
	for k, content := range claims {
		items = append(items, uploadItem{k.String(), base64.StdEncoding.EncodeToString([]byte(content)), map[string]string{"contentType": "application/x-of-no-extension"}, true})
	}
	a.uploader(project).must("POST", "/pages/assets/upload", items)
}

// upload does what a client does before it creates a deployment, and returns how many files it had to send.
func (a *api) upload(project string, files site) int {
	a.t.Helper()
	byKey := make(map[manifest.AssetKey]string)
	hashes := []string{}
	for path, content := range files {
		k := keyOf(path, content)
		byKey[k] = content
		hashes = append(hashes, k.String())
	}
	var missing []string
	a.uploader(project).must("POST", "/pages/assets/check-missing", map[string]any{"hashes": hashes}).into(a.t, &missing)
	for k := range byKey {
		if !slices.Contains(missing, k.String()) {
			delete(byKey, k)
		}
	}
	if len(byKey) > 0 {
		a.uploadAs(project, byKey)
	}
	return len(byKey)
}

// post creates a deployment from a form, whatever it is.
func (a *api) post(project, contentType string, body []byte) answer {
	a.t.Helper()
	req := a.request("POST", apiPrefix+projectsPath+"/"+project+"/deployments", body)
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", contentType)
	return a.send(req)
}

func (a *api) postForm(project string, fields ...field) answer {
	a.t.Helper()
	contentType, body := form(fields...)
	return a.post(project, contentType, body)
}

// deploy is a whole deployment that must succeed. branch "" leaves the field out.
func (a *api) deploy(project, branch string, files site, extra ...field) deploymentObject {
	a.t.Helper()
	a.upload(project, files)
	fields := []field{{"manifest", files.manifest()}}
	if branch != "" {
		fields = append(fields, field{"branch", branch})
	}
	ans := a.postForm(project, append(fields, extra...)...)
	if !ans.Success {
		a.t.Fatalf("deploy: %d %s", ans.Status, ans.Raw)
	}
	var d deploymentObject
	ans.into(a.t, &d)
	return d
}

func (a *api) deployment(project, id string) deploymentObject {
	a.t.Helper()
	var d deploymentObject
	a.must("GET", projectsPath+"/"+project+"/deployments/"+id, nil).into(a.t, &d)
	return d
}

func (a *api) logOf(project, id string) string {
	a.t.Helper()
	var l logObject
	a.must("GET", projectsPath+"/"+project+"/deployments/"+id+"/history/logs?size=10000000", nil).into(a.t, &l)
	var lines []string
	for _, d := range l.Data {
		lines = append(lines, d.Line)
	}
	return strings.Join(lines, "\n")
}

// serves says which deployment a host's route record leads to; "" for none. A wildcard host is written with its star.
func (s *testService) serves(t testing.TB, host string) string {
	t.Helper()
	h, wildcard := splitWildcard(host)
	read := s.deps.Store.Route
	if wildcard {
		read = s.deps.Store.Wildcard
	}
	r, err := read(s.deps.Hasher.Key(h))
	if errors.Is(err, store.ErrNotFound) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.deps.Store.Deployment(r.Deployment)
	if err != nil {
		t.Fatalf("%s leads to deployment %d: %v", host, r.Deployment, err)
	}
	return d.UUID.String()
}

func (s *testService) wantServes(t testing.TB, want map[string]string) {
	t.Helper()
	got := make(map[string]string)
	for host := range want {
		got[host] = s.serves(t, host)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

// clean checks the whole store.
func (s *testService) clean(t testing.TB) FsckReport {
	t.Helper()
	sum, problems := s.fsck(t)
	for _, p := range problems {
		t.Errorf("fsck: %s", p)
	}
	return sum
}

func (s *testService) fsck(t testing.TB) (FsckReport, []Problem) {
	t.Helper()
	var problems []Problem
	sum, err := s.Fsck(t.Context(), FsckOptions{}, func(p Problem) { problems = append(problems, p) })
	if err != nil {
		t.Fatal(err)
	}
	if sum.Problems != len(problems) {
		t.Errorf("%d problems counted, %d told", sum.Problems, len(problems))
	}
	return sum, problems
}

// count counts the deployments of a project.
func (s *testService) count(t testing.TB, project string) int {
	t.Helper()
	p, err := s.deps.Store.ProjectByName(project)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range s.deps.Store.DeploymentsOf(p.No, 0) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func numbered(n int) site {
	s := make(site, n)
	for i := range n {
		s[fmt.Sprintf("/f/%d.txt", i)] = fmt.Sprintf("file %d", i)
	}
	return s
}

func exactHost(branch, project string) string {
	exact, _ := hostkey.Alias(branch)
	return exact + "." + project + ".pages.localhost"
}
