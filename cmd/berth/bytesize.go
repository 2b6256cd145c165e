package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a flag in bytes: a number, or one with KiB, MiB or GiB.
type byteSize[T int | int64] struct{ p *T }

var byteUnits = []struct {
	name string
	size int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

func (b byteSize[T]) Set(s string) error {
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.size {
			break
		}
		*b.p = T(n * u.size)
		return nil
	}
	return fmt.Errorf("%q is not a size: write a number of bytes, or one with KiB, MiB or GiB", s)
}

func (b byteSize[T]) String() string {
	if b.p == nil {
		return "0"
	}
	n := int64(*b.p)
	for _, u := range byteUnits[:3] {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

func (byteSize[T]) Type() string { return "bytes" }
