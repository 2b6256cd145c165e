package migration

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"

	"berth/router/legacy"
	"berth/store"
	"berth/store/control"
)

// written is what a function writes, as it writes it: exports are never whole anywhere.
func written(fn func(io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		b := bufio.NewWriterSize(w, 1<<20)
		err := fn(b)
		w.CloseWithError(errors.Join(err, b.Flush()))
	}()
	return r
}

// scriptHash is what the old design calls a deployment: 256 bits in hex, of which a compressor can save half.
func (w *whole) scriptHash(p, i int) string {
	id := w.corpus.uuid(p, i)
	if w.config.Own {
		return legacy.ScriptHash(id)
	}
	other := w.corpus.uuid(p, i+1<<30)
	return hex.EncodeToString(other[:]) + hex.EncodeToString(id[:])
}

// writeNames writes lines script_hash,deployment.
func (w *whole) writeNames(to io.Writer) error {
	for p, n := range w.corpus.sizes {
		for i := range n {
			id := w.corpus.uuid(p, i)
			if _, err := fmt.Fprintf(to, "%s,%x\n", w.scriptHash(p, i), id[:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeTables writes lines {"project":"…","table":{…}}.
func (w *whole) writeTables(to io.Writer) error {
	var line []byte
	for p := range w.corpus.sizes {
		fs := w.corpus.filters(p)
		for i := range fs {
			fs[i].ScriptHash = w.scriptHash(p, i)
		}
		line = fmt.Appendf(line[:0], `{"project":%q,"table":`, projectName(p))
		line = append(legacy.AppendChunk(line, fs), "}\n"...)
		if _, err := to.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// hosts are those that the control plane serves.
func (w *whole) hosts(*store.Reader) iter.Seq2[control.HostRoute, error] {
	return func(yield func(control.HostRoute, error) bool) {
		for p, n := range w.corpus.sizes {
			for i := range n {
				route := store.Route{Kind: store.RouteSite, Class: store.ClassDeployment, Flags: store.FlagNoIndex,
					Project: store.ProjectNo(p + 1), Deployment: store.DeploymentNo(w.corpus.first[p] + i + 1)}
				if !yield(control.HostRoute{Host: w.corpus.host(p, i), Route: route}, nil) {
					return
				}
			}
		}
	}
}
