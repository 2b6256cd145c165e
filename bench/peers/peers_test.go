package peers_test

import (
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"berth/bench/machine"
	"berth/bench/peers"
	"berth/bench/sites"
)

// Every peer that is installed must serve every site by its host, and send what the others send.
func TestPeersServeTheSites(t *testing.T) {
	c := sites.Config{Sites: 12, Hot: 2, Hosts: 36, Seed: 3}
	folders := filepath.Join(t.TempDir(), "folders")
	if err := c.WriteFolders(t.Context(), folders); err != nil {
		t.Fatal(err)
	}
	cores, err := machine.TwoCores()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range peers.All() {
		t.Run(p.Name, func(t *testing.T) {
			if _, err := p.Path(); errors.Is(err, peers.ErrMissing) {
				t.Skip(err)
			}
			s, err := p.Start(t.Context(), peers.Setup{Dir: t.TempDir(), Folders: folders, Sites: c, At: machine.Placement{Core: cores.Server}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Stop()
			for site := range c.Sites {
				for _, f := range c.FilesOf(site) {
					if got, _ := get(t, s.Addr, sites.Host(site), f.Name); got != string(c.Content(site, f)) {
						t.Errorf("%s of site %d: %d bytes that are not its", f.Name, site, len(got))
					}
				}
			}
			if _, status := get(t, s.Addr, "unknown.pages.localhost", "/1k.png"); status != http.StatusNotFound {
				t.Errorf("an unknown host is answered %d", status)
			}
		})
	}
}

func get(t *testing.T, addr, host, path string) (string, int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), resp.StatusCode
}

// A peer that cannot start says why, in its own words.
func TestAPeerThatCannotStartSaysWhy(t *testing.T) {
	p := peers.All()[0]
	if _, err := p.Path(); err != nil {
		t.Skip(err)
	}
	cores, err := machine.TwoCores()
	if err != nil {
		t.Fatal(err)
	}
	// A folder's name ends the directive that it stands in.
	s, err := p.Start(t.Context(), peers.Setup{Dir: t.TempDir(), Folders: "/x; nonsense", Sites: sites.Config{Sites: 1, Hot: 1, Hosts: 3}, At: machine.Placement{Core: cores.Server}})
	if err == nil {
		s.Stop()
		t.Fatal("it started")
	}
	if !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("%v", err)
	}
}

// The floor must answer whole answers, larger than what a socket takes at once, to several clients.
func TestEpoll(t *testing.T) {
	const size = 8 << 20
	addr, err := peers.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() { failed <- peers.Epoll(addr, size) }() // to the end of the process
	for range 3 {
		for {
			resp, err := http.Get("http://" + addr)
			if err != nil {
				select {
				case err := <-failed:
					t.Fatal(err)
				default:
					continue // it does not listen yet
				}
			}
			n, err := io.Copy(io.Discard, resp.Body)
			if err != nil || n != size || resp.Header.Get("Etag") == "" {
				t.Errorf("%d bytes, %v", n, err)
			}
			resp.Body.Close()
			break
		}
	}
}
