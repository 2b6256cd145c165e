package tables

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate/dualwrite"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// BenchmarkPiece reads tables as the old control plane wrote them, an entry for each deployment.
func BenchmarkPiece(b *testing.B) {
	for _, size := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprintf("entries=%d", size), func(b *testing.B) {
			s := benchStore(b, size)
			r, err := New(Config{Domain: "pages.example.com", Hasher: hostkey.NewHasher(hostkey.Secret{1})})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				t, err := r.Table(&s.Reader, 1)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for c, err := range s.TableChunks(1) {
					if err != nil {
						b.Fatal(err)
					}
					p, err := t.Piece(&s.Reader, c)
					if err != nil || len(p.Faults) > 0 {
						b.Fatal(err, p.Faults)
					}
					n += len(p.Routes)
				}
				if n != size {
					b.Fatalf("%d routes", n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size), "ns/entry")
		})
	}
}

func benchStore(b *testing.B, size int) *store.Store {
	s, err := store.OpenFS(vfs.NewMem(), "/db", store.Options{MinFreeBytes: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	_, err = s.Update(b.Context(), func(tx *store.Tx) error {
		if err := tx.PutProject(store.Project{No: 1, Account: 1, Name: "docs", State: store.ProjectActive}); err != nil {
			return err
		}
		var fs []legacy.Filter
		for i := range size {
			d := store.Deployment{Project: 1, UUID: store.UUID{byte(i >> 16), byte(i >> 8), byte(i), 7, 15: 1}, Environment: store.Preview, Status: store.StatusSuccess, Branch: "b"}
			if d.No, err = tx.NextDeployment(); err != nil {
				return err
			}
			if err := tx.PutDeployment(d, nil); err != nil {
				return err
			}
			fs = append(fs, legacy.Filter{Pattern: legacy.Pattern(hostkey.Host(fmt.Sprintf("%x.docs.pages.example.com", d.UUID[:4]))), ScriptHash: legacy.ScriptHash(d.UUID)})
		}
		for at := 0; at < len(fs); at += dualwrite.MaxFilters {
			piece := fs[at:min(at+dualwrite.MaxFilters, len(fs))]
			if err := tx.PutTableChunk(store.TableChunk{Project: 1, No: dualwrite.Imported + uint32(at/dualwrite.MaxFilters), JSON: legacy.AppendChunk(nil, piece)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Compact(b.Context()); err != nil {
		b.Fatal(err)
	}
	return s
}
