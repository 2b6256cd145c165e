package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth/assets/compress"
)

// encodeWorker is the name of the command that the server runs to have files encoded.
const encodeWorker = "encode-worker"

// newEncodeWorkerCommand is for the server alone, which speaks to it through its standard input and output. It takes no
// notice of the context: it ends when its input does, and so never before the server has got what it waits for.
func newEncodeWorkerCommand(a *app) *cobra.Command {
	c := a.verb(encodeWorker, nil, "Encode files for the server, on idle processors", "",
		func(context.Context, []string) error {
			if err := compress.LowerPriority(); err != nil {
				a.note("encodes at the usual priority: %v", err)
			}
			return compress.Serve(a.stdin, a.stdout)
		})
	c.Hidden = true
	return c
}
