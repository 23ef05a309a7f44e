//go:build !planted

package trial

// Planted tells whether the cores have bugs that can be switched on.
const Planted = false
