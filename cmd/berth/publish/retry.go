package publish

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"berth/cmd/berth/client"
)

const (
	// DefaultAttempts with the waits below give a server about a minute to come back.
	DefaultAttempts = 9
	firstWait       = 500 * time.Millisecond
	longestWait     = 15 * time.Second
	// maxRenewals bounds what would be a loop if a server refused every upload token it gives.
	maxRenewals = 3
)

// retry makes a call until it succeeds, fails for good, or was tried often enough.
func (p *publisher) retry(ctx context.Context, what string, call func() error) error {
	wait := firstWait
	for attempt := 1; ; attempt++ {
		err := call()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !client.Temporary(err):
			return fmt.Errorf("%s: %w", what, err)
		case attempt == p.Attempts:
			return fmt.Errorf("%s: gave up after %d attempts: %w\n  run the same command again: what is stored is not sent twice", what, attempt, err)
		}
		p.report.Step(fmt.Sprintf("%s: %s; trying again in %s (attempt %d of %d)", what, firstLine(err), wait, attempt+1, p.Attempts))
		if err := p.wait(ctx, jitter(wait)); err != nil {
			return err
		}
		wait = min(2*wait, longestWait)
	}
}

// withToken is fn with an upload token, and with a new one if the server finds the token expired.
func (p *publisher) withToken(ctx context.Context, fn func(jwt string) error) error {
	refused := ""
	for renewals := 0; ; renewals++ {
		token, err := p.tokens.get(ctx, refused)
		if err != nil {
			return err
		}
		err = fn(token.jwt)
		switch {
		case !client.HasCode(err, client.CodeUploadToken):
			return err
		case renewals == maxRenewals:
			return fmt.Errorf("the server refuses the upload tokens that it gives: %w", err)
		}
		refused = token.jwt
	}
}

// retryWithToken is both.
func (p *publisher) retryWithToken(ctx context.Context, what string, fn func(jwt string) error) error {
	return p.retry(ctx, what, func() error { return p.withToken(ctx, fn) })
}

// jitter spreads the clients that one fault hit at once.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(rand.Int64N(int64(d)/2+1))
}

// sleep is the wait of a real run.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// firstLine is an error without the advice that follows it.
func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// refused says that the server understood a call and will not do it.
func refused(err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Status >= 400 && e.Status < 500 && !client.Temporary(err)
}
