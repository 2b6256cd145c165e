package report

import "time"

// SeriesPoints is how many points a Series keeps at most.
const SeriesPoints = 480

// Series is a value over time, in bounded memory: when it is full, each two neighbours become one, and from then on it takes
// half as many. So a migration of weeks is drawn from its beginning. The zero value is ready; it can be kept as JSON.
type Series struct {
	Points []Point       `json:"points"`
	Every  time.Duration `json:"every"` // the least distance of two points; 0: none yet
}

// Point is a value at a moment.
type Point struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

// Add takes a value. One that is sooner than Every after the last point replaces its value, so that the newest is always there. A
// clock that goes back does not: the value counts for the moment that is known.
func (s *Series) Add(at time.Time, value float64) {
	n := len(s.Points)
	if n > 0 && !at.After(s.Points[n-1].At) {
		s.Points[n-1].Value = value
		return
	}
	if n > 1 && at.Sub(s.Points[n-2].At) < s.Every {
		s.Points[n-1] = Point{at, value}
		return
	}
	if n >= SeriesPoints {
		s.halve()
	}
	s.Points = append(s.Points, Point{at, value})
}

// halve keeps the newer of each two, and the very first.
func (s *Series) halve() {
	kept := s.Points[:1]
	for i := 2; i < len(s.Points); i += 2 {
		kept = append(kept, s.Points[i])
	}
	if last := s.Points[len(s.Points)-1]; kept[len(kept)-1] != last {
		kept = append(kept, last)
	}
	s.Points = kept
	s.Every = max(2*s.Every, kept[len(kept)-1].At.Sub(kept[0].At)/time.Duration(len(kept)-1))
}
