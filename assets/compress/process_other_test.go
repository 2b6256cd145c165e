//go:build !linux

package compress

func reportPriority() int { return 1 }

func reportWeight() int { return 1 }
