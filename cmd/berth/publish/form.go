package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"os"
	"unicode/utf8"

	"berth/cmd/berth/client"
)

const (
	// maxRuleFile bounds what is read of _headers and _redirects; the server's own bound is far below.
	maxRuleFile = 16 << 20
	// maxCommitMessage is where wrangler cuts a message, in bytes.
	maxCommitMessage = 384
)

// Meta says where a deployment comes from. Empty means unknown and is not sent.
type Meta struct {
	Branch        string
	CommitHash    string
	CommitMessage string
	CommitDirty   *bool
}

// form is the body that creates a deployment. It is made once, so that every attempt sends the same.
func form(site *Site, meta Meta) (*client.Body, error) {
	listing := make(map[string]string, len(site.Files))
	for _, f := range site.Files {
		listing[f.Path] = f.Key.String()
	}
	text, err := json.Marshal(listing)
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	fields := [][2]string{{"manifest", string(text)}}
	fields = append(fields, meta.fields()...)
	for _, f := range fields {
		if err := w.WriteField(f[0], f[1]); err != nil {
			return nil, fmt.Errorf("encode field %s: %w", f[0], err)
		}
	}
	for _, f := range [][2]string{{"_headers", site.Headers}, {"_redirects", site.Redirects}} {
		if err := addFile(w, f[0], f[1]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encode deployment: %w", err)
	}
	return &client.Body{
		ContentType: w.FormDataContentType(),
		Length:      int64(buf.Len()),
		Open:        func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil },
	}, nil
}

func (m Meta) fields() [][2]string {
	var out [][2]string
	add := func(name, v string) {
		if v != "" {
			out = append(out, [2]string{name, v})
		}
	}
	add("branch", m.Branch)
	add("commit_message", cut(m.CommitMessage, maxCommitMessage))
	add("commit_hash", m.CommitHash)
	if m.CommitDirty != nil {
		add("commit_dirty", fmt.Sprint(*m.CommitDirty))
	}
	return out
}

// cut shortens s to n bytes without breaking a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// addFile adds a rule file; an empty one says nothing and is left out.
func addFile(w *multipart.Writer, name, disk string) error {
	if disk == "" {
		return nil
	}
	text, err := readBounded(disk)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if len(text) == 0 {
		return nil
	}
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", fmt.Sprintf(`form-data; name=%q; filename=%q`, name, name))
	header.Set("Content-Type", "application/octet-stream")
	part, err := w.CreatePart(header)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	if _, err := part.Write(text); err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return nil
}

func readBounded(disk string) ([]byte, error) {
	f, err := os.Open(disk)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRuleFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxRuleFile {
		return nil, fmt.Errorf("%s is larger than %s", disk, Bytes(maxRuleFile))
	}
	return text, nil
}
