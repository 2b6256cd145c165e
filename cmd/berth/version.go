package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is the version that this source tree is.
const release = "0.1.0"

// version is the release and, from a version-controlled build, its revision.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = "+" + s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = ".dirty"
		}
	}
	if revision == "" {
		return release
	}
	return release + revision + dirty
}

func newVersionCommand(a *app) *cobra.Command {
	return a.verb("version", nil, "Print the version", "", func(context.Context, []string) error {
		v := struct {
			Version string `json:"version"`
			Go      string `json:"go"`
			System  string `json:"system"`
		}{version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
		return a.print(v, func(w io.Writer) {
			fmt.Fprintf(w, "berth %s (%s, %s)\n", v.Version, v.Go, v.System)
		})
	})
}
