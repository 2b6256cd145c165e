package deploying

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// site is a seeded site in 100 directories: pages with links, scripts, styles and, a quarter, pictures that no encoder
// makes smaller.
type site struct {
	dir         string
	files, size int
	seed        uint64
	changes     int
}

var kinds = [...]string{"html", "js", "css", "png"}

func (s *site) write() error {
	random := rand.NewChaCha8([32]byte{byte(s.seed), byte(s.seed >> 8), 1})
	for i := range s.files {
		if i < 100 {
			if err := os.MkdirAll(filepath.Dir(s.path(i)), 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(s.path(i), s.content(i, random), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) path(i int) string {
	return filepath.Join(s.dir, fmt.Sprintf("d%d", i%100), fmt.Sprintf("f%d.%s", i, kinds[(i/100)%len(kinds)]))
}

func (s *site) content(i int, random *rand.ChaCha8) []byte {
	b := make([]byte, s.size)
	if strings.HasSuffix(s.path(i), ".png") {
		_, _ = random.Read(b) // never fails
		return b
	}
	text := fmt.Sprintf(`<!doctype html><link rel="preload" href="/d%d/f%d.css" as="style"><p>`, i%100, i)
	var grown strings.Builder
	for grown.WriteString(text); grown.Len() < s.size; {
		fmt.Fprintf(&grown, "word%d ", random.Uint64()%5000)
	}
	return []byte(grown.String()[:s.size])
}

// change gives one file other bytes.
func (s *site) change() error {
	s.changes++
	return os.WriteFile(s.path(0), fmt.Appendf(nil, "<p>change %d of %d", s.changes, s.seed), 0o644)
}
