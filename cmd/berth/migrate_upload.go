package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"berth/cmd/berth/client"
	"berth/cmd/berth/migration"
	"berth/migrate/load"
	"berth/migrate/nginx"
)

// uploader brings an import to a server, in requests of a bounded size: what is in memory here and there is one request's.
type uploader struct {
	api *client.Client
	why string
	// replace has tables take the place of others of their projects, as far as neither has more entries than maxReplaced.
	replace     bool
	maxReplaced int
}

func (u *uploader) post(ctx context.Context, part string, place string, body []byte, into any) error {
	_, err := u.api.Into(ctx, client.Request{
		Method: http.MethodPost, Path: migratePath("import", part), Slow: true,
		Query: url.Values{"why": {u.why}, "place": {place}, "replace": {strconv.FormatBool(u.replace)}, "max_replaced": {strconv.Itoa(u.maxReplaced)}},
		Body: &client.Body{ContentType: "application/x-ndjson", Length: int64(len(body)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(body)), nil
		}},
	}, into)
	return err
}

// deployments sends whole lines.
func (u *uploader) deployments(ctx context.Context, name string, r io.Reader) (*load.NamesReport, error) {
	lines, all := bufio.NewReaderSize(r, migration.ImportBytes), &load.NamesReport{}
	for before := 0; ; {
		part, err := lines.Peek(migration.ImportBytes)
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return all, fmt.Errorf("read %s: %w", name, err)
		}
		if !ended {
			end := bytes.LastIndexByte(part, '\n')
			if end < 0 {
				return all, fmt.Errorf("%s, line %d: it has more than %d bytes", name, before+1, migration.ImportBytes)
			}
			part = part[:end+1]
		}
		if len(part) == 0 {
			return all, nil
		}
		var got load.NamesReport
		if err := u.post(ctx, "deployments", name, part, &got); err != nil {
			return all, err
		}
		addNames(all, &got, before)
		before += bytes.Count(part, []byte("\n"))
		if _, err := lines.Discard(len(part)); err != nil {
			return all, fmt.Errorf("read %s: %w", name, err)
		}
		if ended {
			return all, nil
		}
	}
}

const maxShownProblems = 1000

// addNames counts the lines of a part from the beginning of the file.
func addNames(all, got *load.NamesReport, before int) {
	all.Lines, all.Set, all.Changed, all.Same, all.Bad = all.Lines+got.Lines, all.Set+got.Set, all.Changed+got.Changed, all.Same+got.Same, all.Bad+got.Bad
	for _, p := range got.Problems {
		if at := strings.LastIndexByte(p.Place, ':'); at >= 0 {
			if n, err := strconv.Atoi(p.Place[at+1:]); err == nil {
				p.Place = fmt.Sprintf("%s:%d", p.Place[:at], n+before)
			}
		}
		if len(all.Problems) < maxShownProblems {
			all.Problems = append(all.Problems, p)
		}
	}
}

// tableBatch is a request in the making.
type tableBatch struct {
	body   bytes.Buffer
	places []string // of each line
}

const uploadPlace = "upload"

// tables sends a line for each table, many in one request.
func (u *uploader) tables(ctx context.Context, src load.Source) (*load.Report, error) {
	all := &load.Report{ByClass: map[load.Class]int{}}
	var batch tableBatch
	for t, err := range src {
		if err != nil {
			return all, err
		}
		line, err := tableLine(t)
		if err != nil {
			addFault(all, t, err)
			continue
		}
		if batch.body.Len() > 0 && batch.body.Len()+len(line) > migration.ImportBytes {
			if err := u.flush(ctx, &batch, all); err != nil {
				return all, err
			}
		}
		batch.body.Write(line)
		batch.places = append(batch.places, t.Place)
	}
	return all, u.flush(ctx, &batch, all)
}

// tableLine is a table as a line. Line breaks between its tokens become spaces, so that offsets stay what they are.
func tableLine(t load.Table) ([]byte, error) {
	if t.Fault != nil {
		return nil, t.Fault
	}
	f, err := t.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	raw, err := io.ReadAll(io.LimitReader(f, migration.MaxTableBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > migration.MaxTableBytes:
		return nil, fmt.Errorf("the table has more than %d bytes, the limit for one", migration.MaxTableBytes)
	case !json.Valid(raw):
		return nil, notJSON(raw)
	}
	raw = bytes.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return ' '
		}
		return r
	}, raw)
	name, err := json.Marshal(t.Project)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "{\"project\":%s,\"table\":%s}\n", name, raw), nil
}

func notJSON(raw []byte) error {
	var v json.RawMessage
	err := json.Unmarshal(raw, &v)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("it is not JSON: %w at byte %d; was it cut off?", err, syntax.Offset)
	}
	return fmt.Errorf("it is not JSON: %w", err)
}

func addFault(all *load.Report, t load.Table, err error) {
	all.Failed++
	all.ByClass[load.BadTable]++
	if len(all.With) < load.MaxProblemProjects {
		all.With = append(all.With, load.ProjectReport{Project: t.Project, Place: t.Place, Failed: true, ByClass: map[load.Class]int{load.BadTable: 1},
			Problems: []load.Problem{{Class: load.BadTable, Place: t.Place, Project: t.Project, Entry: -1, Text: err.Error()}}})
	}
}

func (u *uploader) flush(ctx context.Context, b *tableBatch, all *load.Report) error {
	if len(b.places) == 0 {
		return nil
	}
	var got load.Report
	if err := u.post(ctx, "tables", uploadPlace, b.body.Bytes(), &got); err != nil {
		return err
	}
	b.add(all, &got)
	b.body.Reset()
	b.places = b.places[:0]
	return nil
}

// add sums up, and calls lines of the request what they were before.
func (b *tableBatch) add(all, got *load.Report) {
	all.Projects, all.Unchanged, all.Failed = all.Projects+got.Projects, all.Unchanged+got.Unchanged, all.Failed+got.Failed
	all.Entries, all.Stored, all.Hosts = all.Entries+got.Entries, all.Stored+got.Stored, all.Hosts+got.Hosts
	all.Wildcards, all.Domains = all.Wildcards+got.Wildcards, all.Domains+got.Domains
	all.Meaning.Add(got.Meaning)
	for class, n := range got.ByClass {
		all.ByClass[class] += n
	}
	for _, p := range got.With {
		p.Place = b.place(p.Place)
		for i := range p.Problems {
			p.Problems[i].Place = b.place(p.Problems[i].Place)
		}
		if len(all.With) < load.MaxProblemProjects {
			all.With = append(all.With, p)
		}
	}
}

func (b *tableBatch) place(line string) string {
	digits, ok := strings.CutPrefix(line, uploadPlace+":")
	if n, err := strconv.Atoi(digits); ok && err == nil && n >= 1 && n <= len(b.places) {
		return b.places[n-1]
	}
	return line
}

// nginx sends the names in parts.
func (u *uploader) nginx(ctx context.Context, c *nginx.Config) (*load.NginxReport, error) {
	all := &load.NginxReport{ByClass: map[load.Class]int{}}
	const most = 256 // names in a request, each of which may stand for a thousand hosts
	for first := true; first || len(c.Entries) > 0; first = false {
		part := nginx.Config{Entries: c.Entries[:min(most, len(c.Entries))]}
		if first {
			part.Problems = c.Problems
		}
		c.Entries = c.Entries[len(part.Entries):]
		body, err := json.Marshal(part)
		if err != nil {
			return all, fmt.Errorf("encode a part of the nginx configuration: %w", err)
		}
		var got load.NginxReport
		if err := u.post(ctx, "nginx", "", body, &got); err != nil {
			return all, err
		}
		addNginx(all, &got)
	}
	return all, nil
}

func addNginx(all, got *load.NginxReport) {
	all.Entries, all.Hosts, all.Same = all.Entries+got.Entries, all.Hosts+got.Hosts, all.Same+got.Same
	all.Domains, all.Unrelated = all.Domains+got.Domains, all.Unrelated+got.Unrelated
	for class, n := range got.ByClass {
		all.ByClass[class] += n
	}
	all.Problems = append(all.Problems, got.Problems...)
	all.Problems = all.Problems[:min(len(all.Problems), maxShownProblems)]
}

func (u *uploader) complete(ctx context.Context) (*load.FillReport, error) {
	var got load.FillReport
	_, err := u.api.Into(ctx, client.Request{
		Method: http.MethodPost, Path: migratePath("import", "complete"), Query: url.Values{"why": {u.why}}, Slow: true,
	}, &got)
	return &got, err
}
