package control

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"berth/assets/bundle"
)

// readBundle checks a _worker.bundle to its last boundary, holding no module in memory.
func readBundle(r io.Reader) (bundle.Info, error) {
	info, err := bundle.Read(r, nil)
	if err == nil {
		return info, nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return bundle.Info{}, err // a refusal (a cap, a broken body) that the parser came upon
	}
	return bundle.Info{}, refuse(http.StatusBadRequest, codeBadRequest, "_worker.bundle is malformed: %v", err)
}

// listedBindings bounds what the bindings of one bundle can write into a deployment's log.
const listedBindings = 50

// functionLines is what the log says of a deployment's Functions.
func (s *Service) functionLines(info bundle.Info, size int64) []string {
	if !s.opts.Functions {
		return []string{fmt.Sprintf("Functions do not run on this server: it was started without --functions. The bundle (main module %s, %s, %d bytes) is stored; requests are answered from the static files.",
			info.MainModule, count(info.Modules, "module"), size)}
	}
	lines := []string{fmt.Sprintf("Functions run: main module %s, %s, %d bytes.", info.MainModule, count(info.Modules, "module"), size)}
	if missing := info.Missing(); len(missing) > 0 {
		more := ""
		if n := len(missing) - listedBindings; n > 0 {
			missing, more = missing[:listedBindings], fmt.Sprintf(" and %d more", n)
		}
		lines = append(lines, fmt.Sprintf("Bindings that this server does not provide, and that the code finds undefined: %s%s.", strings.Join(missing, ", "), more))
	}
	return lines
}
