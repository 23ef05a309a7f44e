package drbdconf

import (
	"strconv"
	"strings"
)

// parseIPv4 reads four numbers with dots. Leading zeros are refused: some read
// them as octal.
func parseIPv4(s string) (ip [4]byte, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != len(ip) {
		return ip, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 8)
		if err != nil || strconv.FormatUint(n, 10) != p {
			return ip, false
		}
		ip[i] = byte(n)
	}
	return ip, true
}

// parseIPv6 reads an IPv6 address with an optional %zone, which stays text.
func parseIPv6(s string) (ip [16]byte, ok bool) {
	s, zone, zoned := strings.Cut(s, "%")
	if zoned && !isName(zone) {
		return ip, false
	}
	head, tail, short := strings.Cut(s, "::")
	front, ok := groups(head, !short)
	if !ok {
		return ip, false
	}
	back, ok := groups(tail, true)
	if !ok || strings.Contains(tail, "::") {
		return ip, false
	}
	switch n := len(front) + len(back); {
	case short && n > len(ip)-2, !short && n != len(ip):
		return ip, false
	}
	copy(ip[:], front)
	copy(ip[len(ip)-len(back):], back)
	return ip, true
}

// groups reads hexadecimal groups with colons; the last one may be an IPv4
// address if it ends the whole.
func groups(s string, last bool) (b []byte, ok bool) {
	if s == "" {
		return nil, true
	}
	parts := strings.Split(s, ":")
	for i, p := range parts {
		if v4, is4 := parseIPv4(p); is4 && last && i == len(parts)-1 {
			b = append(b, v4[:]...)
			continue
		}
		n, err := strconv.ParseUint(p, 16, 16)
		if err != nil || len(p) > 4 {
			return nil, false
		}
		b = append(b, byte(n>>8), byte(n))
	}
	return b, true
}

// sameIP says whether two texts are the same address, however they spell it.
func sameIP(a, b string) bool {
	if x, ok := parseIPv6(a); ok {
		y, ok := parseIPv6(b)
		_, zoneX, _ := strings.Cut(a, "%")
		_, zoneY, _ := strings.Cut(b, "%")
		return ok && x == y && zoneX == zoneY
	}
	return a == b
}
