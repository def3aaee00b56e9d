package main

import (
	"archive/tar"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// untar lists the files of a tar (no folders, no links) and returns the content of one of them.
func untar(text, want string) (files []string, content string, err error) {
	r := tar.NewReader(strings.NewReader(text))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, content, nil
		}
		if err != nil {
			return nil, "", err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		files = append(files, h.Name)
		if path.Clean(h.Name) == want {
			b, err := io.ReadAll(r)
			if err != nil {
				return nil, "", err
			}
			content = string(b)
		}
	}
}

// static fails for a program that needs an interpreter or a library.
func static(program string) error {
	f, err := elf.NewFile(strings.NewReader(program))
	if err != nil {
		return fmt.Errorf("the program in the image: %w", err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("the program in the image is linked dynamically (%s)", p.Type)
		}
	}
	return nil
}
