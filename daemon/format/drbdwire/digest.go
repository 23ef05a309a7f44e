package drbdwire

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
)

// A challenge is 64 bytes when this side sends it; the peer's may be longer.
const (
	ChallengeSize = 64
	maxChallenge  = 128
)

// DigestSize is the length in bytes of what the algorithm named alg, as in
// drbd.conf, makes of a block.
func DigestSize(alg string) (int, error) {
	if alg == crc32c {
		return crc32.Size, nil
	}
	newHash, err := hashOf(alg)
	if err != nil {
		return 0, err
	}
	return newHash().Size(), nil
}

// AppendDigest adds the digest of block by alg to dst, as data packets,
// P_CSUM_RS_REQUEST and P_OV_REPLY carry it. Source: DRBD 8.4 wire, sections
// 8.1 and 11.
func AppendDigest(dst []byte, alg string, block []byte) ([]byte, error) {
	if alg == crc32c { // the one checksum, little endian as the kernel keeps it
		sum := crc32.Checksum(block, crc32.MakeTable(crc32.Castagnoli))
		return binary.LittleEndian.AppendUint32(dst, sum), nil
	}
	switch alg { // the usual ones need no memory
	case "md5":
		sum := md5.Sum(block)
		return append(dst, sum[:]...), nil
	case "sha1":
		sum := sha1.Sum(block)
		return append(dst, sum[:]...), nil
	}
	newHash, err := hashOf(alg)
	if err != nil {
		return nil, err
	}
	h := newHash()
	h.Write(block)
	return h.Sum(dst), nil
}

// Respond makes the payload of P_AUTH_RESPONSE: the HMAC by alg of all bytes
// of the peer's challenge, under the shared secret. Compare the peer's answer
// to the own challenge in constant time. Source: DRBD 8.4 wire, section 4.
func Respond(alg, secret string, challenge []byte) ([]byte, error) {
	if len(challenge) < ChallengeSize || len(challenge) > maxChallenge {
		return nil, fmt.Errorf("answer a challenge of %d bytes, want %d to %d",
			len(challenge), ChallengeSize, maxChallenge)
	}
	newHash, err := hashOf(alg)
	if err != nil {
		return nil, fmt.Errorf("answer a challenge: %w", err)
	}
	mac := hmac.New(newHash, []byte(secret))
	mac.Write(challenge)
	return mac.Sum(nil), nil
}

const crc32c = "crc32c"

func hashOf(alg string) (func() hash.Hash, error) {
	switch alg {
	case "md5":
		return md5.New, nil
	case "sha1":
		return sha1.New, nil
	case "sha224":
		return sha256.New224, nil
	case "sha256":
		return sha256.New, nil
	case "sha384":
		return sha512.New384, nil
	case "sha512":
		return sha512.New, nil
	default:
		return nil, fmt.Errorf("digest algorithm %q is unknown, want md5, sha1, sha224, sha256, sha384 or sha512 "+
			"(or, but for authentication, crc32c)", alg)
	}
}
