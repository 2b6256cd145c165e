package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/cmd/berth/migration"
	"berth/migrate/ramp"
)

type rampFlags struct {
	steps             []string
	soak, floor       string
	diff, errors, p99 string
	shadow            float64
	samples           uint64
	detach            bool
	why               string
}

func newRolloutRun(a *app) *cobra.Command {
	var how rampFlags
	c := a.withServer(a.verb("run", nil, "Raise the percentage step by step, and take it back if something is off", `The server holds each step for --soak and until there are enough samples, compares hashed with legacy on the same
requests, and goes on; on a breach it goes back to the last good step by itself. It goes on without this command, and
after a restart; berth migrate rollout stop ends it. Without --detach the command waits for the end, and exits with 1
if a step was taken back.`,
		func(ctx context.Context, _ []string) error {
			q, err := how.request()
			if err != nil {
				return wrong("%w", err)
			}
			raw, err := a.postMigrate(ctx, q, "rollout", "run")
			if err != nil {
				return err
			}
			g := decode[migration.Guarded](raw)
			last := g
			for !how.detach && g.Status == ramp.Running {
				if err := wait(ctx, 500*time.Millisecond); err != nil {
					return err
				}
				if raw, err = a.getMigrate(ctx, nil, "rollout", "run"); err != nil {
					return err
				}
				if g = decode[migration.Guarded](raw); g.Step != last.Step {
					a.note("%s", rampLine(&g))
				}
				last = g
			}
			if err := a.print(raw, func(w io.Writer) { fmt.Fprintln(w, oneLine(rampLine(&g))) }); err != nil {
				return err
			}
			if !how.detach && g.Status != ramp.Done {
				return fmt.Errorf("migrate rollout run: %s: %s", g.Status, g.Reason)
			}
			return nil
		}))
	f := c.Flags()
	f.StringSliceVar(&how.steps, "steps", []string{"1", "5", "25", "50", "100"}, "`percentages`")
	f.StringVar(&how.soak, "soak", "10m", "`time` that each is held, at least")
	f.StringVar(&how.diff, "max-diff", "0", "`share` of answers that may differ, such as 0.01%")
	f.StringVar(&how.errors, "max-error-increase", "0.1%", "`share` of errors of hashed over that of legacy")
	f.StringVar(&how.p99, "max-p99-increase", "10%", "`share` by which hashed's p99 may be over legacy's")
	f.StringVar(&how.floor, "p99-floor", "1ms", "p99 of hashed, as a `time`, that is no breach whatever legacy's is; 0 for none")
	f.Uint64Var(&how.samples, "min-samples", 1000, "compared requests, and answers of hashed, without which no step is good")
	f.Var(share{&how.shadow}, "shadow", "share of the requests that both sides are asked from now on; 0% leaves it as it is")
	f.BoolVar(&how.detach, "detach", false, "do not wait for the end")
	whyFlag(c, &how.why)
	return c
}

func (f *rampFlags) request() (migration.Run, error) {
	q := migration.Run{Why: f.why, MinSamples: f.samples}
	var faults []error
	for _, text := range f.steps {
		p, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(text), "%"), 64)
		if err != nil || !(p > 0 && p <= 100) {
			faults = append(faults, fmt.Errorf("--steps %q: want percentages such as 1,5,25,50,100", text))
		}
		q.Steps = append(q.Steps, p)
	}
	soak, err := parseAge(f.soak)
	if err != nil {
		faults = append(faults, fmt.Errorf("--soak: %w", err))
	}
	q.Soak = soak.String()
	floor, err := time.ParseDuration(f.floor)
	if err != nil || floor < 0 {
		faults = append(faults, fmt.Errorf("--p99-floor %q: want a time such as 1ms, or 0 for none", f.floor))
	}
	q.P99Floor = floor.String()
	if f.samples == 0 {
		faults = append(faults, errors.New("--min-samples 0: silence is not health; want 1 or more"))
	}
	for _, s := range []struct {
		flag, text string
		to         *float64
	}{{"--max-diff", f.diff, &q.MaxDiff}, {"--max-error-increase", f.errors, &q.MaxErrorIncrease}, {"--max-p99-increase", f.p99, &q.MaxP99Increase}} {
		if *s.to, err = fraction(s.text); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", s.flag, err))
		}
	}
	if f.shadow > 0 {
		q.Shadow = &f.shadow
	}
	return q, errors.Join(faults...)
}

// fraction reads 10% or 0.1; more than the whole is possible.
func fraction(text string) (float64, error) {
	digits, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1e6) {
		return 0, fmt.Errorf("%q is not a share: write 0.1%%, or 0.001", text)
	}
	return v, nil
}

func rampLine(g *migration.Guarded) string {
	if g.Status == ramp.None {
		return "never begun"
	}
	text := fmt.Sprintf("%s, step %d of %d (%s%%)", g.Status, g.Step+1, len(g.Plan.Steps), strconv.FormatFloat(g.Percent, 'f', -1, 64))
	if g.Status == ramp.Running {
		text += fmt.Sprintf(", held %s of %s", g.Held.Round(time.Second), g.Plan.Soak)
		if g.Waiting != "" {
			text += ", waits for " + g.Waiting
		}
		text += "; " + g.Window.String()
	}
	if g.Reason != "" {
		text += ": " + g.Reason
	}
	if g.Fault != "" {
		text += "; " + g.Fault
	}
	return text
}

func newRolloutStop(a *app) *cobra.Command {
	var why string
	c := a.withServer(a.verb("stop", nil, "End a guarded ramp where it is", "The percentage stays what it is; berth migrate rollout set changes it.", func(ctx context.Context, _ []string) error {
		raw, err := a.postMigrate(ctx, migration.Why{Why: why}, "rollout", "stop")
		if err != nil {
			return err
		}
		return a.print(raw, func(w io.Writer) {
			g := decode[migration.Guarded](raw)
			fmt.Fprintln(w, oneLine(rampLine(&g)))
		})
	}))
	whyFlag(c, &why)
	return c
}

func newMigrateShadow(a *app) *cobra.Command {
	var why string
	c := a.withServer(a.verb("shadow", []string{"SHARE"}, "Have both sides asked for a SHARE of the requests, such as 1%, to compare them", "From phase verify on. No reply waits for it. 0% ends it. It holds across restarts, over serve's --shadow.",
		func(ctx context.Context, args []string) error {
			q := migration.Sampling{Why: why}
			if err := (share{&q.Share}).Set(args[0]); err != nil {
				return wrong("%w", err)
			}
			raw, err := a.postMigrate(ctx, q, "shadow")
			if err != nil {
				return err
			}
			return a.print(raw, func(w io.Writer) { fmt.Fprintf(w, "Both sides are asked for %s of the requests.\n", share{&q.Share}) })
		}))
	whyFlag(c, &why)
	return c
}
