package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"berth/migrate"
	"berth/migrate/verify"
	"berth/store"
)

// NamesReport is what became of a file of deployments.
type NamesReport struct {
	Lines    int       `json:"lines"` // that name something
	Set      int       `json:"set"`
	Changed  int       `json:"changed"` // named another deployment before
	Same     int       `json:"same"`
	Bad      int       `json:"bad"`
	Problems []Problem `json:"problems,omitempty"` // the first ones
}

// Deployments loads what the old design calls Berth's deployments: lines of script_hash,deployment or of
// {"script_hash":"…","deployment":"…"}, where a deployment is named by its UUID. place is the file's name, for messages. A line that is wrong is
// a problem and passed over. The same file twice changes nothing.
func Deployments(ctx context.Context, s *store.Store, m *migrate.Machine, place string, r io.Reader, o Options) (NamesReport, error) {
	l, err := newLoader(s, m, o)
	if err != nil {
		return NamesReport{}, err
	}
	n := &names{loader: l, place: place, lines: bufio.NewReaderSize(r, 64<<10)}
	for {
		batch, err := n.read()
		if err != nil {
			return n.report, fmt.Errorf("load: read %s, line %d: %w", place, n.line, err)
		}
		if len(batch) == 0 {
			return n.report, nil
		}
		if err := n.write(ctx, batch); err != nil {
			return n.report, fmt.Errorf("load: %s, up to line %d: %w", place, n.line, err)
		}
	}
}

type names struct {
	*loader
	place  string
	lines  *bufio.Reader
	line   int
	ended  bool
	report NamesReport
}

// named is a line.
type named struct {
	line       int
	scriptHash string
	deployment store.UUID
}

// read returns the next lines that say something; none at the end.
func (n *names) read() (batch []named, err error) {
	for !n.ended && len(batch) < n.opts.Batch {
		raw, long, err := readLine(n.lines, int64(n.opts.MaxLine))
		if err != nil && err != io.EOF {
			return nil, err
		}
		n.ended = err == io.EOF
		n.line++
		raw = bytes.TrimSpace(raw)
		if n.line == 1 {
			raw = bytes.TrimPrefix(raw, []byte("\ufeff")) // spreadsheets begin a file so
		}
		switch {
		case long:
			n.bad(n.line, "the line has more than %d bytes", n.opts.MaxLine)
			continue
		case len(raw) == 0, n.line == 1 && string(raw) == "script_hash,deployment":
			continue
		}
		d, fault := parseNamed(raw)
		if fault != nil {
			n.bad(n.line, "%v", fault)
			continue
		}
		d.line = n.line
		n.report.Lines++
		batch = append(batch, d)
	}
	return batch, nil
}

func (n *names) bad(line int, format string, args ...any) {
	n.report.Bad++
	if len(n.report.Problems) < n.opts.MaxProblems {
		n.report.Problems = append(n.report.Problems, Problem{
			Class: BadLine, Place: fmt.Sprintf("%s:%d", n.place, line), Entry: -1, Text: fmt.Sprintf(format, args...),
		})
	}
}

func parseNamed(raw []byte) (d named, err error) {
	var id string
	if raw[0] == '{' {
		var line struct {
			ScriptHash string `json:"script_hash"`
			Deployment string `json:"deployment"`
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&line); err != nil {
			return d, fmt.Errorf(`want {"script_hash":"…","deployment":"…"}: %w`, err)
		}
		if dec.More() {
			return d, errors.New("something follows the object")
		}
		d.scriptHash, id = line.ScriptHash, line.Deployment
	} else {
		fields := strings.Split(string(raw), ",")
		if len(fields) != 2 {
			return d, fmt.Errorf("it has %d fields; want script_hash,deployment", len(fields))
		}
		d.scriptHash, id = unquote(fields[0]), unquote(fields[1])
	}
	if d.scriptHash == "" {
		return d, errors.New("script_hash is empty")
	}
	var ok bool
	if d.deployment, ok = parseUUID(id); !ok {
		return d, fmt.Errorf("deployment %q is not the ID of a deployment, such as 2b469e16-0d5f-4c1a-9f5e-3a1b2c3d4e5f", clip(id))
	}
	return d, nil
}

func unquote(s string) string { return strings.Trim(strings.TrimSpace(s), `"`) }

// parseUUID reads an ID with or without hyphens.
func parseUUID(s string) (id store.UUID, ok bool) {
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		s = s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	}
	if len(s) != 32 {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err == nil
}

func (n *names) write(ctx context.Context, batch []named) error {
	before := n.report
	_, err := n.store.Update(ctx, func(tx *store.Tx) error {
		known, err := n.known(tx, batch)
		if err != nil {
			return err
		}
		was, err := tx.SetPipelines(known)
		if err != nil {
			return err
		}
		for i, old := range was {
			switch old {
			case 0:
				n.report.Set++
			case known[i].Deployment:
				n.report.Same++
			default:
				n.report.Changed++
			}
		}
		if n.report.Set == before.Set && n.report.Changed == before.Changed {
			return nil
		}
		return verify.Void(tx, n.opts.Now(), "names of deployments were imported since")
	})
	if err != nil {
		n.report = before
	}
	return err
}

// known returns what can be set, and reports the other lines.
func (n *names) known(tx *store.Tx, batch []named) (out []store.PipelineName, err error) {
	ids := make([]store.UUID, len(batch))
	for i, d := range batch {
		ids[i] = d.deployment
	}
	there, err := tx.DeploymentsByUUID(ids)
	if err != nil {
		return nil, err
	}
	for _, d := range batch {
		no, ok := there[d.deployment]
		if !ok {
			n.bad(d.line, "there is no deployment %s", d.deployment)
			continue
		}
		if err := store.CheckPipeline(d.scriptHash); err != nil {
			n.bad(d.line, "%v", err)
			continue
		}
		out = append(out, store.PipelineName{Name: d.scriptHash, Deployment: no})
	}
	return out, nil
}
