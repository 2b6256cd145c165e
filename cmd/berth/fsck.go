package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"berth/cmd/berth/client"
	"berth/cmd/berth/server"
	"berth/store/control"
)

// fsckResult is what the API answers, and what an offline check makes.
type fsckResult struct {
	control.FsckReport
	List      []control.Problem `json:"list"`
	Truncated bool              `json:"truncated"`
}

// maxListedProblems is how many problems an answer lists; the API has the same bound.
const maxListedProblems = 1000

func newFsckCommand(a *app) *cobra.Command {
	var offline, skipContent bool
	c := a.withServer(a.verb("fsck", nil, "Recompute routes, manifests and blobs and compare: exit 0 means all is well", `Reads everything that is stored. The server goes on serving meanwhile. --offline opens the directory of --data
itself, which no server may have open.`,
		func(ctx context.Context, _ []string) error {
			raw, err := a.fsck(ctx, offline, skipContent)
			if err != nil {
				return fmt.Errorf("fsck: %w", err)
			}
			r := decode[fsckResult](raw)
			if err := a.print(raw, func(w io.Writer) { writeFsck(w, r) }); err != nil {
				return err
			}
			if r.Problems > 0 {
				return fmt.Errorf("fsck: %d problem(s) found", r.Problems)
			}
			return nil
		}))
	c.Flags().BoolVar(&offline, "offline", false, "open the directory of --data instead of asking a server")
	c.Flags().BoolVar(&skipContent, "skip-content", false, "compare the sizes of blobs only")
	return c
}

func (a *app) fsck(ctx context.Context, offline, skipContent bool) (json.RawMessage, error) {
	if !offline {
		return a.call(ctx, func(*client.Client) client.Request {
			return client.Request{Method: http.MethodPost, Path: client.Join("berth", "fsck"), Slow: true,
				Query: url.Values{"content": {strconv.FormatBool(!skipContent)}}}
		})
	}
	result := fsckResult{List: []control.Problem{}}
	err := server.Offline(ctx, a.server.data, a.stderr, func(o server.Opened) (err error) {
		result.FsckReport, err = o.Control.Fsck(ctx, control.FsckOptions{SkipContent: skipContent}, func(p control.Problem) {
			if len(result.List) < maxListedProblems {
				result.List = append(result.List, p)
			}
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	result.Truncated = result.Problems > len(result.List)
	return json.Marshal(result)
}

func writeFsck(w io.Writer, r fsckResult) {
	for _, p := range r.List {
		fmt.Fprintln(w, oneLine(p.String()))
	}
	if r.Truncated {
		fmt.Fprintf(w, "… and %d more\n", r.Problems-len(r.List))
	}
	if r.RoutesUnset {
		fmt.Fprintln(w, "Route records were not compared: a migration is on that has not written all of them (berth migrate verify compares them then).")
	}
	if r.Imported > 0 {
		fmt.Fprintf(w, "%d route records are of hosts that only the imported tables named: that they lead to deployments of their project was checked.\n", r.Imported)
	}
	fmt.Fprintf(w, "Revision %d: %d projects, %d deployments, %d routes, %d manifests, %d blobs checked; %d problem(s).\n",
		r.Revision, r.Projects, r.Deployments, r.Routes, r.Manifests, r.Blobs, r.Problems)
}
