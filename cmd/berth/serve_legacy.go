package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"berth/cmd/berth/server"
)

// addLegacyFlags is a flag for each part of a server that answers from tables of the old design. They cost nothing without any.
func addLegacyFlags(f *pflag.FlagSet, s *server.Settings) {
	f.Var(byteSize[int64]{&s.LegacyCache}, "legacy-cache", "memory for tables of the old design, during a migration")
	f.StringVar(&s.LegacyParse, "legacy-parse", s.LegacyParse, "parse such a table for `each` request, as the old design did, or once")
	f.Var(share{&s.Shadow}, "shadow", "share of requests, such as 1%, that both routers are asked during a migration, to compare them")
}

// share is a flag for a part of a whole: 1%, or 0.01.
type share struct{ p *float64 }

func (s share) Set(text string) error {
	digits, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if percent {
		v /= 100
	}
	if err != nil || math.IsNaN(v) || v < 0 || v > 1 {
		return fmt.Errorf("%q is not a share: write 1%%, or 0.01; at most 100%%", text)
	}
	*s.p = v
	return nil
}

func (s share) String() string {
	if s.p == nil {
		return "0%"
	}
	return strconv.FormatFloat(math.Round(*s.p*1e8)/1e6, 'f', -1, 64) + "%"
}

func (share) Type() string { return "share" }
