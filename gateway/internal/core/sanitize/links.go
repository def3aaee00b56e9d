package sanitize

import (
	"bytes"
	"strings"
)

// A link is one that reaches to the end of out and may be a GIF's. The zero value is none.
type link struct {
	scheme int // where what follows the scheme begins in out; 0 if there is no link
	path   int // where its path begins, behind the slash; 0 while the host goes on
	query  int // where ? or # stands in it; 0 if there is none yet
	depth  int // round brackets of its own that are open
	files  bool
	other  bool // never a GIF's, but no link begins inside it
}

// slash is called behind a / of out: it begins a link, or ends a link's host.
func (m *machine) slash() {
	n := len(m.out)
	if m.link.scheme > 0 {
		if m.link.path == 0 {
			m.host(m.out[m.link.scheme:n-1], n)
		}
		return
	}
	if n < len("http://") || m.out[n-2] != '/' || m.out[n-3] != ':' {
		return
	}
	at := schemeAt(m.out)
	if at < 0 {
		return
	}
	if at > 0 {
		switch m.out[at-1] {
		case '/', '=', '&', '?', '%': // another link's parameter
			return
		case '(', '<': // a masked link, [text](https://…) or [text](<https://…>), stays as typed
			if bytes.HasSuffix(bytes.TrimSuffix(m.out[:at], []byte("<")), []byte("](")) {
				return
			}
		}
	}
	m.link = link{scheme: n}
}

// schemeAt returns where the http:// or https:// that out ends with begins, -1 if it ends otherwise.
func schemeAt(out []byte) int {
	end := len(out) - len("://")
	for _, scheme := range [...]string{"http", "https"} {
		if at := end - len(scheme); at >= 0 && hasFold(out[at:end], scheme) {
			return at
		}
	}
	return -1
}

// gifHosts are the hosts of GIF pickers, with all their subdomains. Discord's own picker is Tenor's, then Klipy's.
var gifHosts = [...]string{"tenor.com", "tenor.co", "giphy.com", "gph.is", "klipy.com", "klipy.co"}

// fileHosts are Discord's: attachments, stickers, custom emoji, proxied pictures.
var fileHosts = [...]string{"cdn.discordapp.com", "media.discordapp.net", "images-ext-1.discordapp.net", "images-ext-2.discordapp.net"}

const maxHostBytes = 253

// host judges the host of the link whose path begins at byte path of out; links of other hosts are nothing to us.
func (m *machine) host(host []byte, path int) {
	m.link.path = path
	if bytes.HasSuffix(host, []byte(":")) {
		// A second scheme may be coming. If a link began there and were removed, the first one's host would go on.
		m.link.other = true
		return
	}
	if len(host) <= maxHostBytes {
		host = host[bytes.LastIndexByte(host, '@')+1:]
		if name, port, ok := bytes.Cut(host, []byte(":")); ok && digits(port) {
			host = name
		}
		for _, h := range gifHosts {
			if n := len(host) - len(h); n >= 0 && hasFold(host[n:], h) && (n == 0 || host[n-1] == '.') {
				return
			}
		}
		for _, h := range fileHosts {
			if hasFold(host, h) {
				m.link.files = true
				return
			}
		}
	}
	m.link = link{}
}

// hasFold compares with an ASCII word in lower case.
func hasFold(b []byte, lower string) bool {
	return len(b) == len(lower) && strings.EqualFold(string(b), lower)
}

// linkByte is called before b, which may belong to the link or end it, goes to out. It
// returns true if b goes with a link that was removed.
func (m *machine) linkByte(b byte) bool {
	switch b {
	case '?', '#':
		if m.link.query == 0 {
			m.link.query = len(m.out)
		}
		return false
	case '(':
		m.link.depth++
		return false
	case ')':
		if m.link.depth > 0 {
			m.link.depth--
			return false
		}
	case '/':
		return false
	}
	return m.endLink(b)
}

// endLink is called when b (0: white space, the end) ends the link. A GIF's or sticker's link is removed,
// with the < or || that stands before it. It returns true if b belongs to what was removed.
func (m *machine) endLink(b byte) bool {
	if m.link.scheme == 0 {
		return false
	}
	end := m.linkEnd()
	if !m.gifLink(end) {
		// What < and | begin may be removed, then the link goes on.
		if b != '<' && b != '|' {
			m.link = link{}
		}
		return false
	}
	m.removed.Links++
	at := schemeAt(m.out[:m.link.scheme])
	var hold [maxBehindLink]byte // what stands behind the link, as out is written over it
	behind := hold[:copy(hold[:], m.out[end:])]
	m.link = link{}
	switch {
	case b == '>' && at > 0 && m.out[at-1] == '<':
		m.pop(at - 1)
		return true
	case b == '|' && len(behind) == 0 && at > 1 && m.out[at-1] == '|' && m.out[at-2] == '|':
		m.pop(at - 2)
		m.swallow = '|'
		return true
	}
	m.pop(at)
	for _, c := range behind {
		m.rune(rune(c))
	}
	return false
}

// maxBehindLink bounds what is looked at behind a link each time when it may end.
const maxBehindLink = 32

// linkEnd returns where the link ends whose last byte out ends with: punctuation and Markdown at the end are not
// the link's, as in Discord.
func (m *machine) linkEnd() int {
	end, least := len(m.out), max(m.link.path, len(m.out)-maxBehindLink)
	for end > least && strings.IndexByte(".,:;!'*_~", m.out[end-1]) >= 0 {
		end--
	}
	return end
}

// gifLink: the link that ends at byte end of out leads to something on a GIF picker's host, or to a sticker, a custom
// emoji or a file whose name ends in .gif on Discord's.
func (m *machine) gifLink(end int) bool {
	if m.link.other || m.link.path == 0 || m.link.path >= end {
		return false
	}
	if !m.link.files {
		return true
	}
	path := m.out[m.link.path:end]
	if m.link.query > 0 {
		path = m.out[m.link.path:max(m.link.query, m.link.path)]
	}
	if n := len(path) - len(".gif"); n >= 0 && hasFold(path[n:], ".gif") {
		return true
	}
	return bytes.HasPrefix(path, []byte("stickers/")) || bytes.HasPrefix(path, []byte("emojis/"))
}
