//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// corpusDir has the recorded sites, cases and answers of the original, and the runner that compares.
const corpusDir = "../../../testdata/conformance"

// corpusDomain is the base domain that the answers were recorded below. Rules in the sites name it.
const corpusDomain = "pages.dev"

// corpusSite is what site.json says of a site.
type corpusSite struct {
	Name, Production string
	Domains          []string
	Functions        string // "worker", "functions" or none
	Deployments      []struct{ ID, Dir, Env, Alias string }
}

func readCorpusSites(t *testing.T) (all []corpusSite) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(corpusDir, "sites", "*", "site.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sites in %s: %v", corpusDir, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var s corpusSite
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all = append(all, s)
	}
	return all
}

// corpusRun is a server that has every site of the corpus.
type corpusRun struct {
	*server
	t     *testing.T
	sites map[string]corpusSite
	hosts map[string]map[string]string // site to what the runner calls a host, to the host: deployments have names of our making
}

func deployCorpus(t *testing.T, args ...string) *corpusRun {
	t.Helper()
	c := &corpusRun{t: t, sites: map[string]corpusSite{}, hosts: map[string]map[string]string{}}
	c.server = startServer(t, append([]string{"--domain", corpusDomain, "--trusted-proxy", "127.0.0.1/32"}, args...)...)
	for _, s := range readCorpusSites(t) {
		c.sites[s.Name], c.hosts[s.Name] = s, map[string]string{}
		for _, d := range s.Deployments {
			switch {
			case d.ID == s.Production:
				c.hosts[s.Name]["dep:"+d.ID] = c.publish(s, d.Dir, "main")
			case d.Env != "production": // such as come later are a scenario's business
				host := c.publish(s, d.Dir, d.Alias)
				if looksLikeOurs.MatchString(d.ID) {
					c.hosts[s.Name]["dep:"+d.ID] = host // no branch gets such a name
				} else {
					c.publish(s, d.Dir, d.ID) // rules of the site speak of that name
				}
			}
		}
		for _, domain := range s.Domains {
			c.berth("domain", "add", domain, "--project", s.Name)
		}
	}
	return c
}

// looksLikeOurs is what the host of a deployment begins with.
var looksLikeOurs = regexp.MustCompile(`^[0-9a-f]{8}$`)

// publish deploys a folder of a site and returns the deployment's host. What has functions needs wrangler, which bundles them.
func (c *corpusRun) publish(s corpusSite, dir, branch string) (host string) {
	c.t.Helper()
	from := filepath.Join(corpusDir, "sites", s.Name)
	if s.Functions == "" {
		return hostOf(c.deploy(filepath.Join(from, dir), s.Name, branch).URL)
	}
	c.berth("project", "create", s.Name, "--production-branch", "main")
	w := newWrangler(c.t, c.server, "")
	if err := os.CopyFS(w.dir, os.DirFS(from)); err != nil {
		c.t.Fatal(err)
	}
	out := w.run("pages", "deploy", dir, "--project-name", s.Name, "--branch", branch, "--commit-dirty=true")
	url := regexp.MustCompile(`https?://[0-9a-f]{8}\.[a-z0-9-]+\.` + regexp.QuoteMeta(corpusDomain)).FindString(out)
	if url == "" {
		c.t.Fatalf("no deployment URL in:\n%s", out)
	}
	return hostOf(url)
}

// runner runs the comparison and returns what it printed; its exit status is not 0 if a case fails that must not.
func (c *corpusRun) runner(command string, args ...string) (string, error) {
	c.t.Helper()
	hosts := filepath.Join(c.t.TempDir(), "hosts.json")
	b, err := json.Marshal(c.hosts)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(hosts, b, 0o600); err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command("python3", append([]string{filepath.Join(corpusDir, "diff.py"), command, "--corpus", corpusDir, "--sut", "http://" + c.http,
		"--base-domain", corpusDomain, "--host-map", hosts}, args...)...)
	cmd.Env = append(os.Environ(), "BERTH_API=http://"+c.api, "BERTH_DATA="+c.dir, "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var failedCase = regexp.MustCompile(`(?m)^FAIL \[(\w+)\] (\S+)`)

// Every site of the corpus is deployed as CI deploys it, and every case asked of the server over HTTP/1.1. What must be as the original
// has it is so, and where anything else is not, the list of what we do otherwise names it. They are asked three times over: the first time
// fasthttp answers, and from then on what was prepared of it.
func TestCorpus(t *testing.T) {
	t.Parallel()
	c := deployCorpus(t, functionFlags(t)...)
	for range 3 {
		c.cases()
	}
}

func (c *corpusRun) cases() {
	t := c.t
	t.Helper()
	out, err := c.runner("run")
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if !regexp.MustCompile(`(?m)^must +total +670 `).MatchString(out) {
		t.Errorf("not all cases were run:\n%s", out)
	}
	readme, err := os.ReadFile("../../../assets/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range failedCase.FindAllStringSubmatch(out, -1) {
		if !strings.Contains(string(readme), f[2]) {
			t.Errorf("%s [%s] differs, and assets/README.md does not say why", f[2], f[1])
		}
	}
}

// Each scenario meets a server of its own, since what was served before is what they are about. Where they differ, README.md of assets
// says why; severity "infra" is all that may.
func TestCorpusScenarios(t *testing.T) {
	t.Parallel()
	all, err := os.ReadFile(filepath.Join(corpusDir, "scenarios.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	expected, err := filepath.Abs(filepath.Join(corpusDir, "scenarios.expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for line := range strings.Lines(string(all)) {
		ran++
		s := startServer(t, "--domain", corpusDomain)
		out := s.scenario(t, line, expected)
		if !strings.Contains(out, "PASS [") && !strings.Contains(out, "FAIL [infra]") {
			t.Errorf("scenario did not pass:\n%s", out)
		}
		t.Log(out)
	}
	if ran != 4 {
		t.Errorf("%d scenarios, want 4", ran)
	}
}

// scenario runs one of them and returns what the runner printed.
func (s *server) scenario(t *testing.T, line, expected string) string {
	t.Helper()
	var sc struct{ Site string }
	if err := json.Unmarshal([]byte(line), &sc); err != nil {
		t.Fatal(err)
	}
	sites, err := filepath.Abs(filepath.Join(corpusDir, "sites"))
	if err != nil {
		t.Fatal(err)
	}
	corpus := t.TempDir()
	if err := os.Symlink(sites, filepath.Join(corpus, "sites")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(corpus, "scenarios.jsonl"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	// The first deployment's folder is files, that of another one deploy- and its name.
	activate := *berthPath + " deploy " + sites + "/{site}/$(case {deployment} in main) echo files ;; *) echo deploy-{deployment} ;; esac)" +
		" --project {site} --branch main >&2"
	for _, domain := range readCorpusDomains(t, sc.Site) {
		s.berth("project", "create", sc.Site, "--production-branch", "main")
		s.berth("domain", "add", domain, "--project", sc.Site)
	}
	cmd := exec.Command("python3", filepath.Join(corpusDir, "diff.py"), "scenarios", "--corpus", corpus, "--sut", "http://"+s.http,
		"--base-domain", corpusDomain, "--expected", expected, "--activate-cmd", activate)
	cmd.Env = append(os.Environ(), "BERTH_API=http://"+s.api, "BERTH_DATA="+s.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}

func readCorpusDomains(t *testing.T, site string) []string {
	t.Helper()
	for _, s := range readCorpusSites(t) {
		if s.Name == site {
			return s.Domains
		}
	}
	return nil
}
