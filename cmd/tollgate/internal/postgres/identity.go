package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Identity is who the server runs as, because Postgres refuses to run as uid 0.
type Identity string

// The identities, in the order in which Choose tries them.
const (
	// Self runs the server as the calling user, who is not root.
	Self Identity = "self"
	// Namespace runs it in a user namespace: the server sees uid 1000, its files stay root's.
	Namespace Identity = "namespace"
	// Setuid runs it as the account postgres, else nobody, with its files given to that account.
	Setuid Identity = "setuid"
)

// Choose finds an identity that works here.
func Choose() (Identity, error) {
	if os.Geteuid() != 0 {
		return Self, nil
	}
	for _, identity := range []Identity{Namespace, Setuid} {
		command := exec.Command("/bin/true")
		if err := identity.dress(command); err != nil {
			return "", err
		}
		if command.Run() == nil {
			return identity, nil
		}
	}
	return "", errors.New("neither a user namespace nor another account can be used here: run this command as a user who is not root")
}

// dress makes the command run as the identity.
func (i Identity) dress(command *exec.Cmd) error {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	switch i {
	case Namespace:
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Geteuid(), Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getegid(), Size: 1}}
	case Setuid:
		uid, gid, err := account()
		if err != nil {
			return err
		}
		command.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		command.Dir = "/"
	case Self:
	}
	return nil
}

// own gives path to the account that the server runs as.
func (i Identity) own(path string) error {
	if i != Setuid {
		return nil
	}
	uid, gid, err := account()
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

// home returns the directory in which the server's files live: dir itself or, when the account cannot reach it, a directory
// under /var/lib that is named for it.
func (i Identity) home(dir string) string {
	if i != Setuid || reachable(filepath.Dir(dir)) {
		return dir
	}
	return filepath.Join("/var/lib/tollgate", fingerprint(dir))
}

// reachable says whether every directory down to path may be entered by anybody.
func reachable(path string) bool {
	for {
		if info, err := os.Stat(path); err == nil && info.Mode()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(path)
		if parent == path {
			return true
		}
		path = parent
	}
}

func account() (uid, gid int, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.Atoi(found.Uid)
		gid, errGID := strconv.Atoi(found.Gid)
		if errUID == nil && errGID == nil && uid != 0 {
			return uid, gid, nil
		}
	}
	return 0, 0, fmt.Errorf("no account postgres or nobody to run the database as: run this command as a user who is not root")
}
