package control

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"berth/assets/blob"
	"berth/assets/bundle"
	"berth/assets/rules"
	"berth/store"
)

const (
	maxTextField     = 4 << 10 // a branch, a hash, a path
	maxMessageField  = 1 << 20 // wrangler before 4.63 sends commit messages of any length
	maxCommitMessage = 4 << 10 // what is kept of one
	maxUnknownPart   = 1 << 20
)

// deploymentForm is the body of a create-deployment call. All of it is optional but the manifest. What comes as a file is
// in the blob batch already, not yet durable.
type deploymentForm struct {
	Branch             string // "" is the production branch
	CommitHash         string
	CommitMessage      string
	CommitDirty        bool
	WranglerConfigHash string
	BuildOutputDir     string
	Files              []manifestFile
	Headers            store.FileRef
	Redirects          store.FileRef
	Routes             store.FileRef
	RoutingConfig      store.FileRef
	WorkerBundle       store.FileRef
	Bundle             bundle.Info
	RoutesReport       rules.Report // on _routes.json
	Notes              []string     // for the deployment's log
}

// formReader reads one form as a stream. Every part has a bound of its own, so nothing a client sends is held whole but
// the manifest's entries.
type formReader struct {
	opts  Options
	batch *blob.Batch
	form  deploymentForm
	seen  map[string]bool
}

// readForm reads the multipart body of r. Files go to batch; an error leaves the batch to the caller to abort.
func (s *Service) readForm(r *http.Request, batch *blob.Batch) (deploymentForm, error) {
	mr, err := r.MultipartReader()
	if err != nil {
		return deploymentForm{}, refuse(http.StatusBadRequest, codeBadRequest, "the body must be multipart/form-data with a boundary: %v", err)
	}
	f := formReader{opts: s.opts, batch: batch, seen: make(map[string]bool)}
	for n := 1; ; n++ {
		part, err := mr.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return deploymentForm{}, formError(err)
		}
		if n > s.opts.MaxParts {
			return deploymentForm{}, refuse(http.StatusBadRequest, codeBadRequest, "the form has more than %d parts, the limit of this server", s.opts.MaxParts)
		}
		if err := f.part(part.FormName(), part); err != nil {
			return deploymentForm{}, formError(err)
		}
	}
	if !f.seen["manifest"] {
		return deploymentForm{}, refuse(http.StatusBadRequest, codeBadRequest, "the form has no manifest field")
	}
	if err := f.settleRoutes(); err != nil {
		return deploymentForm{}, err
	}
	return f.form, nil
}

// storageFault marks an error of the blob directory under a parser: it is not the client's fault.
type storageFault struct{ error }

func (f storageFault) Unwrap() error { return f.error }

// formError keeps refusals, the body's own among them, and faults of our storage; it blames the rest on the form.
func formError(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	if f := (storageFault{}); errors.As(err, &f) {
		return f.error
	}
	return &Error{Status: http.StatusBadRequest, Code: codeBadRequest, Message: fmt.Sprintf("the form cannot be read: %v", err), Cause: err}
}

// part reads one part. All file parts come as application/octet-stream and text fields without a type: only the name tells.
func (f *formReader) part(name string, r io.Reader) (err error) {
	if f.seen[name] {
		return refuse(http.StatusBadRequest, codeBadRequest, "the form has the field %q twice", name)
	}
	switch name {
	case "manifest":
		f.form.Files, err = readManifest(f.settable(name, r, f.opts.MaxManifestBytes, "--max-manifest-bytes"), f.opts.MaxFiles)
	case "branch":
		f.form.Branch, err = f.text(name, r, maxBranchLen)
	case "commit_hash":
		f.form.CommitHash, err = f.text(name, r, maxTextField)
	case "commit_message":
		f.form.CommitMessage, err = f.message(name, r)
	case "commit_dirty":
		f.form.CommitDirty, err = f.flag(name, r)
	case "wrangler_config_hash":
		f.form.WranglerConfigHash, err = f.text(name, r, maxTextField)
	case "pages_build_output_dir":
		f.form.BuildOutputDir, err = f.text(name, r, maxTextField)
	case "_headers":
		f.form.Headers, err = f.file(name, r)
	case "_redirects":
		f.form.Redirects, err = f.file(name, r)
	case "functions-filepath-routing-config.json":
		f.form.RoutingConfig, err = f.file(name, r)
	case "_routes.json":
		f.form.Routes, err = f.routes(name, r)
	case "_worker.bundle":
		f.form.WorkerBundle, err = f.bundle(name, r)
	default:
		_, err = io.Copy(io.Discard, f.capped(name, r, maxUnknownPart))
		return err
	}
	f.seen[name] = true
	return err
}

func (f *formReader) capped(name string, r io.Reader, limit int64) io.Reader {
	return &cappedReader{r: r, left: limit, refusal: refuse(http.StatusRequestEntityTooLarge, codeTooLarge,
		"the field %.80q is over %d bytes, the limit of this server for it", name, limit)}
}

// settable is capped for a limit that the operator may raise, by the flag of that name.
func (f *formReader) settable(name string, r io.Reader, limit int64, flag string) io.Reader {
	return &cappedReader{r: r, left: limit, refusal: refuse(http.StatusRequestEntityTooLarge, codeTooLarge,
		"the field %.80q is over %d bytes, the limit of this server for it (%s)", name, limit, flag)}
}

func (f *formReader) text(name string, r io.Reader, limit int64) (string, error) {
	b, err := io.ReadAll(f.capped(name, r, limit))
	if err != nil {
		return "", err
	}
	text := string(b)
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "", refuse(http.StatusBadRequest, codeBadRequest, "the field %q must be one line of UTF-8 text without control characters", name)
	}
	return text, nil
}

// message keeps the start of a commit message. Line breaks arrive as CRLF, as HTML forms have them, whatever git had.
func (f *formReader) message(name string, r io.Reader) (string, error) {
	b, err := io.ReadAll(f.capped(name, r, maxMessageField))
	if err != nil {
		return "", err
	}
	text := strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\r\n", "\n")
	if len(text) <= maxCommitMessage {
		return text, nil
	}
	return strings.ToValidUTF8(text[:maxCommitMessage], ""), nil
}

func (f *formReader) flag(name string, r io.Reader) (bool, error) {
	text, err := f.text(name, r, maxTextField)
	switch {
	case err != nil:
		return false, err
	case text == "true":
		return true, nil
	case text == "false" || text == "":
		return false, nil
	}
	return false, refuse(http.StatusBadRequest, codeBadRequest, "the field %q must be true or false, not %.40q", name, text)
}

// file puts the bytes of r into the batch.
func (f *formReader) file(name string, r io.Reader) (store.FileRef, error) {
	return storeBlob(f.batch, f.settable(name, r, f.opts.MaxRuleFileBytes, "--max-rule-file-bytes"), func(r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
}

func (f *formReader) routes(name string, r io.Reader) (store.FileRef, error) {
	return storeBlob(f.batch, f.settable(name, r, f.opts.MaxRuleFileBytes, "--max-rule-file-bytes"), func(r io.Reader) (err error) {
		f.form.RoutesReport, err = readRoutes(r, f.opts.Rules)
		return err
	})
}

func (f *formReader) bundle(name string, r io.Reader) (store.FileRef, error) {
	return storeBlob(f.batch, f.settable(name, r, f.opts.MaxBundleBytes, "--max-bundle-bytes"), func(r io.Reader) (err error) {
		f.form.Bundle, err = readBundle(r)
		return err
	})
}

// storeBlob puts the bytes of r into the batch while check reads them, so that neither needs them whole.
func storeBlob(batch *blob.Batch, r io.Reader, check func(io.Reader) error) (store.FileRef, error) {
	w, err := batch.Create()
	if err != nil {
		return store.FileRef{}, storageFault{fmt.Errorf("store part: %w", err)}
	}
	t := &tee{r: r, w: w}
	err = check(t)
	if err == nil {
		_, err = io.Copy(io.Discard, t) // what check did not need to see is part of the file too
	}
	if t.werr != nil {
		err = storageFault{fmt.Errorf("store part: %w", t.werr)} // whatever the parser made of it
	}
	if err != nil {
		w.Abort()
		return store.FileRef{}, err
	}
	digest, size, err := w.Finish()
	if err != nil {
		return store.FileRef{}, storageFault{fmt.Errorf("store part: %w", err)}
	}
	return store.FileRef{Digest: digest, Size: size}, nil
}

// tee is io.TeeReader that remembers which side failed: a full disk is not the client's fault.
type tee struct {
	r    io.Reader
	w    io.Writer
	werr error
}

func (t *tee) Read(p []byte) (int, error) {
	if t.werr != nil {
		return 0, t.werr
	}
	n, err := t.r.Read(p)
	if n > 0 {
		if _, t.werr = t.w.Write(p[:n]); t.werr != nil {
			return n, t.werr
		}
	}
	return n, err
}

// cappedReader refuses a part that is longer than it may be, where io.LimitReader would pass off its start as the whole.
type cappedReader struct {
	r       io.Reader
	left    int64
	refusal error
}

func (c *cappedReader) Read(p []byte) (int, error) {
	if c.left < 0 {
		return 0, c.refusal
	}
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return n - 1, c.refusal
	}
	return n, err
}
