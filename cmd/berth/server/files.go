package server

import (
	"log/slog"
	"syscall"
)

// otherFiles is what a server opens beside connections and files of sites: tables and logs of the database, uploads.
const otherFiles = 2_000

// functionFiles is for functions: a connection each, and some more by which they ask for files.
func (c *checked) functionFiles() int {
	if c.Functions.Command == "" {
		return 0
	}
	return 4 * c.Functions.MaxInFlight
}

// warnOfFewFiles says at the start what would otherwise be found out under load: that connections are refused for want of file
// descriptors. Go has raised the soft limit to the hard one already.
func (c *checked) warnOfFewFiles(log *slog.Logger) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	if want := uint64(c.Edge.MaxConns + c.MaxAPIConns + c.Edge.OpenFiles + otherFiles + c.functionFiles()); limit.Cur < want {
		log.Warn("the limit on open files is lower than what --max-conns, --max-api-conns, --open-files and --max-functions may need: raise it (ulimit -Hn), or lower those",
			slog.Uint64("limit", limit.Cur), slog.Uint64("want", want))
	}
}
