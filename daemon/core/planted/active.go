//go:build planted

package planted

// Active is the one bug that is planted now; zero is none. A test sets it
// before it makes a world, and only one world runs at a time.
var Active Bug

// On tells whether the bug is planted.
func On(b Bug) bool { return b == Active }
