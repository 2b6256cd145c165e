package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"berth/cmd/berth/client"
	"berth/cmd/berth/publish"
	"berth/cmd/berth/server"
	"berth/store/control"
)

// defaultGrace is the grace of an offline sweep; a server has its own setting.
const defaultGrace = 24 * time.Hour

func newSweepCommand(a *app) *cobra.Command {
	var how sweepFlags
	c := a.withServer(a.verb("sweep", nil, "Remove blobs that no deployment refers to", `A server sweeps by itself, now and then. Blobs stored within the grace period stay, and whatever a deployment that is
being made relies on. --offline opens the directory of --data itself, which no server may have open.`,
		func(ctx context.Context, _ []string) error {
			raw, err := a.sweep(ctx, how)
			if err != nil {
				return fmt.Errorf("sweep: %w", err)
			}
			return a.print(raw, func(w io.Writer) {
				r := decode[control.SweepReport](raw)
				did := "Removed"
				if r.DryRun {
					did = "Would remove"
				}
				fmt.Fprintf(w, "%s %d of %d blobs (%s); %d are too young, %d in use.\n", did, r.Removed, r.Blobs, publish.Bytes(r.RemovedBytes), r.Young, r.InUse)
			})
		}))
	f := c.Flags()
	f.BoolVar(&how.offline, "offline", false, "open the directory of --data instead of asking a server")
	f.BoolVar(&how.dryRun, "dry-run", false, "say what would be removed, remove nothing")
	f.StringVar(&how.grace, "grace", "", "keep blobs younger than this `age`: 24h, 7d; default the server's; at least 15m without --force")
	f.BoolVar(&how.force, "force", false, "take a shorter --grace: deployments that are being uploaded may have to send files again")
	return c
}

type sweepFlags struct {
	offline, dryRun, force bool
	grace                  string
}

func (a *app) sweep(ctx context.Context, how sweepFlags) (json.RawMessage, error) {
	options := control.SweepOptions{Grace: defaultGrace, DryRun: how.dryRun}
	query := url.Values{"dry_run": {strconv.FormatBool(how.dryRun)}, "force": {strconv.FormatBool(how.force)}}
	if how.grace != "" {
		age, err := parseAge(how.grace)
		if err != nil {
			return nil, wrong("--grace: %w", err)
		}
		options.Grace = age
		query.Set("grace", how.grace)
	}
	if !how.offline {
		return a.call(ctx, func(*client.Client) client.Request {
			return client.Request{Method: http.MethodPost, Path: client.Join("berth", "sweep"), Query: query, Slow: true}
		})
	}
	var report control.SweepReport
	err := server.Offline(ctx, a.server.data, a.stderr, func(o server.Opened) (err error) {
		report, err = o.Control.Sweep(ctx, options)
		return err
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(report)
}
