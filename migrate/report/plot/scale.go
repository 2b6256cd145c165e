package plot

import (
	"math"
	"time"
)

// scale maps values to pixels.
type scale struct {
	unit     Unit
	log      bool
	lo, hi   float64 // values
	from, to float64 // pixels
}

// curve straightens an axis.
func (s *scale) curve(v float64) float64 {
	switch {
	case s.unit == Quantile:
		return -math.Log10(1 - min(max(v, 0), 1-1e-9))
	case s.log:
		return math.Log10(max(v, math.SmallestNonzeroFloat64))
	}
	return v
}

func (s *scale) at(v float64) float64 {
	lo, hi := s.curve(s.lo), s.curve(s.hi)
	if hi == lo {
		return (s.from + s.to) / 2
	}
	share := (s.curve(v) - lo) / (hi - lo)
	return s.from + min(max(share, 0), 1)*(s.to-s.from)
}

// tick is a place on an axis with its label.
type tick struct {
	v    float64
	text string
}

// ticks returns at most about n of them, at round values.
func (s *scale) ticks(n int) []tick {
	n = max(n, 2)
	switch {
	case s.unit == Time:
		return s.timeTicks(n)
	case s.unit == Quantile:
		return s.quantileTicks()
	case s.log:
		return s.logTicks(n)
	}
	var out []tick
	step := s.step(n)
	for i := math.Ceil(s.lo/step - 1e-9); i*step <= s.hi+step*1e-9; i++ {
		out = append(out, tick{i * step, s.unit.Format(i * step)})
	}
	return out
}

// step is 1, 2 or 5 times a power of ten (of two, for bytes).
func (s *scale) step(n int) float64 {
	raw := (s.hi - s.lo) / float64(n)
	if !(raw > 0) {
		return 1
	}
	if s.unit == Bytes && s.hi >= 1024 {
		return math.Exp2(math.Ceil(math.Log2(raw)))
	}
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= raw*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// logTicks are the powers of ten, or each second or third of them; where the axis has less than two, also their doubles and
// fives.
func (s *scale) logTicks(n int) []tick {
	base, lo, hi := 10.0, math.Log10(s.lo), math.Log10(s.hi)
	if s.unit == Bytes {
		base, lo, hi = 2, math.Log2(s.lo), math.Log2(s.hi)
	}
	every := max(1, math.Ceil((hi-lo)/float64(n)))
	var out []tick
	add := func(v float64) {
		if v >= s.lo*(1-1e-9) && v <= s.hi*(1+1e-9) {
			out = append(out, tick{v, s.unit.Format(v)})
		}
	}
	fine := base == 10 && (hi-lo) < 2
	for e := math.Floor(lo); e <= math.Ceil(hi); e++ {
		v := math.Pow(base, e)
		if math.Mod(e, every) == 0 {
			add(v)
		}
		if fine {
			add(2 * v)
			add(5 * v)
		}
	}
	return out
}

func (s *scale) quantileTicks() []tick {
	var out []tick
	for _, q := range []float64{0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999} {
		if q >= s.lo && q <= s.hi+1e-12 {
			out = append(out, tick{q, quantileName(q)})
		}
	}
	return out
}

const day = 24 * time.Hour

// timeSteps returns the distances that people read off a clock or a calendar.
func timeSteps() []time.Duration {
	return []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute,
		5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
		day, 2 * day, 7 * day, 14 * day, 28 * day, 91 * day, 182 * day, 364 * day, 1820 * day, 18200 * day}
}

func (s *scale) timeTicks(n int) []tick {
	steps := timeSteps()
	step := steps[len(steps)-1]
	for _, d := range steps {
		if (s.hi-s.lo)/d.Seconds() <= float64(n) {
			step = d
			break
		}
	}
	layout := timeLayout(step)
	if step >= day && s.hi-s.lo > (360*day).Seconds() {
		layout = "Jan 2006"
	}
	var out []tick
	for v := math.Ceil(s.lo/step.Seconds()) * step.Seconds(); v <= s.hi; v += step.Seconds() {
		t := time.Unix(int64(v), 0).UTC()
		text := t.Format(layout)
		// Hours alone do not say of which day: midnight is written as the day that it begins.
		if step < day && step >= time.Minute && t.Hour() == 0 && t.Minute() == 0 {
			text = t.Format("2 Jan")
		}
		out = append(out, tick{v, text})
	}
	return out
}
