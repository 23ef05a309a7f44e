//go:build !planted

package planted

// On tells whether the bug is planted: never, in this build.
func On(Bug) bool { return false }
