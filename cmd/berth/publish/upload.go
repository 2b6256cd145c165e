package publish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"

	"berth/assets/manifest"
	"berth/cmd/berth/client"
)

// parallelUploads is how many buckets are under way at once.
const parallelUploads = 3

// tally is what was sent, counted once however often it had to be sent.
type tally struct {
	mu    sync.Mutex // guards all below
	files map[*File]bool
	bytes int64
}

// add counts files. Those of one content are always sent as the same one of them, see distinct.
func (t *tally) add(files []*File) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files == nil {
		t.files = make(map[*File]bool, len(files))
	}
	for _, f := range files {
		if !t.files[f] {
			t.files[f] = true
			t.bytes += f.Size
		}
	}
}

func (t *tally) total() amount {
	t.mu.Lock()
	defer t.mu.Unlock()
	return amount{len(t.files), t.bytes}
}

// missing asks which of files the server lacks.
func (p *publisher) missing(ctx context.Context, jwt string, files []*File) ([]*File, error) {
	var lacking []string
	req := client.Request{
		Method: http.MethodPost, Path: client.Join("pages", "assets", "check-missing"), Bearer: jwt,
		JSON: map[string][]string{"hashes": newBucket(files).keys()},
	}
	if _, err := p.api.Into(ctx, req, &lacking); err != nil {
		return nil, err
	}
	set := make(map[string]bool, len(lacking))
	for _, k := range lacking {
		set[k] = true
	}
	var out []*File
	for _, f := range files {
		if set[f.Key.String()] {
			out = append(out, f)
		}
	}
	return out, nil
}

// sendMissing uploads what the server lacks of files.
func (p *publisher) sendMissing(ctx context.Context, files []*File) error {
	var lacking []*File
	err := p.retryWithToken(ctx, "ask what is missing", func(jwt string) (err error) {
		lacking, err = p.missing(ctx, jwt, distinct(files))
		return err
	})
	if err != nil || len(lacking) == 0 {
		return err
	}
	var total int64
	for _, f := range lacking {
		total += f.Size
	}
	p.report.Uploading(len(lacking), total)
	defer p.report.Uploaded()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelUploads)
	for _, b := range deal(lacking) {
		g.Go(func() error { return p.sendBucket(ctx, b) })
	}
	return g.Wait()
}

// sendBucket uploads one bucket. After a failure it asks again what is missing, because the server may have stored some
// of it, or all with only the answer lost.
func (p *publisher) sendBucket(ctx context.Context, whole *bucket) error {
	d := &delivery{report: p.report}
	left, again := whole, false
	err := p.retryWithToken(ctx, fmt.Sprintf("upload %d file(s), %s", len(whole.files), Bytes(whole.bytes)), func(jwt string) error {
		if again {
			rest, err := p.missing(ctx, jwt, left.files)
			if err != nil {
				return err
			}
			left = newBucket(rest)
			d.settle(amount{len(whole.files) - len(left.files), whole.bytes - left.bytes})
		}
		again = true
		if len(left.files) == 0 {
			return nil
		}
		return p.post(ctx, jwt, left, d)
	})
	if err != nil {
		return err
	}
	d.settle(amount{len(whole.files), whole.bytes})
	p.sent.add(whole.files)
	return nil
}

// delivery is how much of one bucket the progress shows as sent.
type delivery struct {
	report Reporter

	mu    sync.Mutex // guards shown
	shown amount
}

type amount struct {
	files int
	bytes int64
}

func (d *delivery) add(files int, bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shown.files += files
	d.shown.bytes += bytes
	d.report.Sent(files, bytes)
}

func (d *delivery) now() amount {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shown
}

// settle corrects what is shown: after a failure, what was on its way did not arrive.
func (d *delivery) settle(to amount) {
	now := d.now()
	d.add(to.files-now.files, to.bytes-now.bytes)
}

// post sends a bucket once, in two halves if somebody on the way finds it too large.
func (p *publisher) post(ctx context.Context, jwt string, b *bucket, d *delivery) error {
	before := d.now()
	body, err := bodyOf(b, d.add)
	if err != nil {
		return err
	}
	req := client.Request{Method: http.MethodPost, Path: client.Join("pages", "assets", "upload"), Bearer: jwt, Body: body}
	if _, err = p.api.Do(ctx, req); err == nil {
		return nil
	}
	d.settle(before)
	if e, ok := errors.AsType[*client.Error](err); ok && e.Status == http.StatusRequestEntityTooLarge {
		return p.postHalves(ctx, jwt, b, d, err)
	}
	return err
}

// postHalves serves servers behind a proxy with a smaller bound on bodies than ours.
func (p *publisher) postHalves(ctx context.Context, jwt string, b *bucket, d *delivery, cause error) error {
	if len(b.files) == 1 {
		return fmt.Errorf("%w\n  %s (%s) is too large for the server or a proxy before it: raise its limit (nginx: client_max_body_size 64m)",
			cause, shown(b.files[0].Path), Bytes(b.bytes))
	}
	var halves [2]bucket
	for i, f := range b.files {
		halves[i%2].add(f)
	}
	for i := range halves {
		if err := p.post(ctx, jwt, &halves[i], d); err != nil {
			return err
		}
	}
	return nil
}

// keep tells the server that all hashes are in use, so that none is swept before the deployment names it.
func (p *publisher) keep(ctx context.Context, files []*File) error {
	keys := make([]string, 0, len(files))
	seen := make(map[manifest.AssetKey]bool, len(files))
	for _, f := range files {
		if !seen[f.Key] {
			seen[f.Key] = true
			keys = append(keys, f.Key.String())
		}
	}
	return p.retryWithToken(ctx, "announce the files", func(jwt string) error {
		_, err := p.api.Do(ctx, client.Request{
			Method: http.MethodPost, Path: client.Join("pages", "assets", "upsert-hashes"), Bearer: jwt,
			JSON: map[string][]string{"hashes": keys},
		})
		return err
	})
}
