//go:build race

package node_test

// underRace: the race detector runs, and allocates on its own.
const underRace = true
