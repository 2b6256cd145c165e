package cache

import (
	"context"
	"fmt"
	"testing"
)

func BenchmarkGet(b *testing.B) {
	for _, entries := range []int{1000, 100_000} {
		c := mustNew(b, Options[int, [4]int]{Capacity: 100_000})
		for k := range entries {
			put(b, c, k, [4]int{})
		}
		b.Run(fmt.Sprintf("entries=%d/hot=1000", entries), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					c.Get(i % 1000)
				}
			})
		})
	}
}

func BenchmarkMiss(b *testing.B) {
	for _, inline := range []bool{true, false} {
		b.Run(fmt.Sprintf("inline=%v", inline), func(b *testing.B) {
			c := mustNew(b, Options[int, int]{Capacity: 10_000, Inline: inline})
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, _ = c.Load(ctx, i, func(context.Context) (int, error) { return i, nil })
			}
		})
	}
}
