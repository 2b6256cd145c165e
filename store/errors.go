package store

import (
	"errors"
	"fmt"
)

// Sentinels. Get-like reads wrap ErrNotFound with what was looked for; LookupRoute and LookupWildcard return it bare,
// because a flood of unknown hosts must not allocate.
var (
	ErrNotFound    = errors.New("store: not found")
	ErrNewerFormat = errors.New("store: the data directory was written by a newer berth")
	ErrLocked      = errors.New("store: the data directory is in use by another process")
	ErrCorrupt     = errors.New("store: corrupt record")
	ErrClosed      = errors.New("store: closed")
	ErrTooOld      = errors.New("store: the commit log no longer reaches back to that revision")

	// ErrConflict says that a key which may have one owner only (a name, a label, a host) has another one already.
	ErrConflict = errors.New("store: already taken")
	// ErrInvalid says that a record given to a Tx cannot be stored.
	ErrInvalid = errors.New("store: invalid record")
	// ErrTooLarge says that one Update wrote more than a batch may hold. Split it.
	ErrTooLarge = errors.New("store: update too large")

	// ErrDiskFull says that the Update, or Open, was not tried, because the disk has no room to spare. Nothing happened;
	// it may be tried again when there is room. Open says it too when the disk turned out to be too full.
	ErrDiskFull = errors.New("store: disk full")
	// ErrBroken says that an earlier write to the disk failed. Reads go on; the Update was not tried, and none will be
	// before the store is opened again.
	ErrBroken = errors.New("store: stopped writing after a disk error; restart berth once the disk is well")
	// ErrUncertain says that the disk failed while the Update was being made durable. Nobody sees the change now;
	// whether it is there, whole, after the store has been opened again cannot be known. Errors that match it also
	// match ErrBroken.
	ErrUncertain = errors.New("store: the disk failed during the update; whether it is durable shows at the next start")

	// ErrSecrets says that the secrets beside the database are not the ones it was created with.
	ErrSecrets = errors.New("store: secrets do not belong to this database")
)

// corrupt says which record is not what its codec can read.
func corrupt(key []byte, err error) error {
	return fmt.Errorf("%w: %s: %v", ErrCorrupt, keyName(key), err)
}

func notFound(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrNotFound)
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
