package report_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"berth/migrate/report"
)

// Whatever is added, a series is bounded, in order, begins where it began and ends with the newest value.
func TestSeries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s report.Series
		now := begin
		for i := range rapid.IntRange(1, 5000).Draw(t, "points") {
			if i > 0 {
				now = now.Add(time.Duration(1+i%7) * time.Second)
			}
			s.Add(now, float64(i))
			if last := s.Points[len(s.Points)-1]; !last.At.Equal(now) || last.Value != float64(i) {
				t.Fatalf("point %d: the last is %v, want %d at %v", i, last, i, now)
			}
			if len(s.Points) > report.SeriesPoints {
				t.Fatalf("%d points", len(s.Points))
			}
		}
		if !s.Points[0].At.Equal(begin) {
			t.Errorf("begins at %v", s.Points[0].At)
		}
		for i := 1; i < len(s.Points); i++ {
			if !s.Points[i].At.After(s.Points[i-1].At) {
				t.Fatalf("point %d is not after the one before", i)
			}
		}
	})
}

// A series spans all of its time evenly: its points are neither all old nor all new.
func TestSeriesIsEven(t *testing.T) {
	var s report.Series
	for i := range 100_000 {
		s.Add(begin.Add(time.Duration(i)*time.Second), float64(i))
	}
	if n := len(s.Points); n < report.SeriesPoints/3 {
		t.Errorf("only %d points are left", n)
	}
	mean := 100_000 * time.Second / time.Duration(len(s.Points))
	for i := 2; i < len(s.Points)-1; i++ {
		if d := s.Points[i].At.Sub(s.Points[i-1].At); d > 3*mean {
			t.Fatalf("point %d is %v after the one before; the mean is %v", i, d, mean)
		}
	}
}

func TestSeriesClockGoesBack(t *testing.T) {
	var s report.Series
	s.Add(begin, 1)
	s.Add(begin.Add(-time.Hour), 2)
	if len(s.Points) != 1 || s.Points[0] != (report.Point{At: begin, Value: 2}) {
		t.Errorf("got %v", s.Points)
	}
}
