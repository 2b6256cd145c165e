package migration

import (
	"context"
	"fmt"
	"strings"

	"github.com/klauspost/compress/zstd"

	"berth/bench"
	"berth/migrate/report/plot"
	"berth/router/legacy"
	"berth/store"
)

// StorageConfig measures what routing takes on disk, compacted, on both sides: tables in one database, route records in another, with one
// host for each deployment. The tables are compressed with zstd, too, each as one document, as a service that cared could have.
type StorageConfig struct {
	Deployments int // default 1,000,000
	Projects    int // default one for 1,400 deployments, as in a service of 14 million and 10,000; none has more than 50,000
	Seed        uint64
}

// StorageReport has bytes.
type StorageReport struct {
	Deployments, Projects int

	Text   int64 // the tables as JSON documents, one a project
	Zstd   int64 // those, compressed at the default level
	Best   int64 // at the best one
	Tables int64 // in Pebble, with its compression
	Index  int64 // of the hosts in the tables, which dual-write needs and the old design had not
	Routes int64 // route records in Pebble

	Log int64 // of the commits that wrote the records: it is there until they are old enough
}

// Storage runs the workload.
func Storage(ctx context.Context, c StorageConfig) (*StorageReport, error) {
	if c.Deployments == 0 {
		c.Deployments = 1_000_000
	}
	if c.Projects == 0 {
		c.Projects = max(1, c.Deployments/1400)
	}
	corpus := newCorpus(c.Seed, zipfSizes(c.Seed, c.Projects, c.Deployments))
	rep := &StorageReport{Deployments: corpus.total, Projects: len(corpus.sizes)}
	err := rep.database(ctx, corpus, parts{tables: true, index: true})
	if err == nil {
		err = rep.database(ctx, corpus, parts{routes: true})
	}
	if err == nil {
		err = rep.compress(ctx, corpus)
	}
	if err != nil {
		return nil, fmt.Errorf("measure storage: %w", err)
	}
	return rep, nil
}

func (r *StorageReport) database(ctx context.Context, c *corpus, what parts) error {
	return withStore(store.Options{}, func(s *store.Store, _ string) error {
		if err := c.fill(ctx, s, what); err != nil {
			return err
		}
		if err := s.Compact(ctx); err != nil {
			return err
		}
		du, err := s.DiskUsage()
		if err != nil {
			return err
		}
		if what.routes {
			r.Routes, r.Log = int64(du.Routes), int64(du.Log)
			return nil
		}
		r.Tables, r.Index = int64(du.Tables), int64(du.TableIndex)
		return nil
	})
}

func (r *StorageReport) compress(ctx context.Context, c *corpus) error {
	fast, err := zstd.NewWriter(nil)
	if err != nil {
		return err
	}
	best, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return err
	}
	var doc, out []byte
	for p := range c.sizes {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		doc = legacy.AppendChunk(doc[:0], c.filters(p))
		r.Text += int64(len(doc))
		out = fast.EncodeAll(doc, out[:0])
		r.Zstd += int64(len(out))
		out = best.EncodeAll(doc, out[:0])
		r.Best += int64(len(out))
	}
	return nil
}

// each is bytes for one deployment.
func (r *StorageReport) each(bytes int64) float64 { return float64(bytes) / float64(r.Deployments) }

type storageLine struct {
	name, key string
	bytes     int64
}

func (r *StorageReport) lines() []storageLine {
	return []storageLine{
		{"tables, as JSON", "tables-text", r.Text}, {"tables in Pebble (Snappy)", "tables-pebble", r.Tables},
		{"tables and the index of their hosts in Pebble", "tables-pebble-index", r.Tables + r.Index},
		{"tables, zstd", "tables-zstd", r.Zstd}, {"tables, zstd at its best", "tables-zstd-best", r.Best},
		{"route records in Pebble", "routes-pebble", r.Routes},
	}
}

func (r *StorageReport) Rows() (rows []bench.Row) {
	for _, l := range r.lines() {
		rows = append(rows, bench.Measured(fmt.Sprintf("Storage/deployments=%d/form=%s", r.Deployments, l.key), r.Deployments, bench.In(r.each(l.bytes), "B/deployment"), bench.In(float64(l.bytes), "B")))
	}
	return rows
}

// publishedSaving is what the published migration of 14 million deployments saved: 12 GiB, which was 92 %.
const publishedSaving = "The published figures, 92 % or 12 GiB of 14,000,000 deployments, mean about 1,000 B a deployment before and 80 B after."

func (r *StorageReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Routing on disk, compacted, %s deployments in %s projects\n", plot.Whole(int64(r.Deployments)), plot.Whole(int64(r.Projects)))
	var s bench.Sheet
	s.Add("", "bytes", "B a deployment", "route records are")
	for _, l := range r.lines() {
		s.Add(l.name, plot.Bytes.Format(float64(l.bytes)), fmt.Sprintf("%.1f", r.each(l.bytes)), change(r.Routes, l.bytes))
	}
	b.WriteString(s.String())
	fmt.Fprintf(&b, "  Not counted: the log of the commits that wrote the records, %s (%.1f B each) for 7 days or 100,000 commits.\n  %s\n",
		plot.Bytes.Format(float64(r.Log)), r.each(r.Log), publishedSaving)
	return b.String()
}

// change says how a compares with b, whichever way it falls.
func change(a, b int64) string {
	switch {
	case b == 0:
		return "–"
	case a <= b:
		return fmt.Sprintf("%.1f %% less", 100*(1-float64(a)/float64(b)))
	}
	return fmt.Sprintf("%.1f %% MORE", 100*(float64(a)/float64(b)-1))
}

func (r *StorageReport) Figures() []plot.Figure {
	b := plot.Bars{Label: fmt.Sprintf("Bytes on disk, %s deployments", plot.Whole(int64(r.Deployments))), Unit: plot.Bytes}
	for _, l := range r.lines() {
		colour := 1
		if l.key == "routes-pebble" {
			colour = 0
		}
		b.Bars = append(b.Bars, plot.Bar{Name: l.name, Parts: []float64{float64(l.bytes)}, Note: fmt.Sprintf("%.1f B each", r.each(l.bytes)), Colour: colour})
	}
	note := fmt.Sprintf("Compacted. Against the tables in Pebble, route records take %s; against the tables with zstd, %s.", change(r.Routes, r.Tables), change(r.Routes, r.Zstd))
	return []plot.Figure{{ID: "storage", Title: "Storage for routing", Note: note, Chart: b}}
}
