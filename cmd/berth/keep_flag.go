package main

import (
	"time"

	"berth/assets/sitefile"
)

// keepFlag is a flag for how long files of earlier deployments are kept: a time, or "off", which is a negative one where
// 0 means a default.
type keepFlag struct{ p *time.Duration }

func (k keepFlag) Set(s string) error {
	d, err := sitefile.ParseKeep(s)
	if err != nil {
		return err
	}
	if *k.p = d; d == 0 {
		*k.p = -1
	}
	return nil
}

func (k keepFlag) String() string {
	if k.p == nil || *k.p == 0 {
		return ""
	}
	return sitefile.FormatKeep(*k.p)
}

func (keepFlag) Type() string { return "time" }
