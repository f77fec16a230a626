# shellcheck shell=bash
# Installs what a build needs and the machine lacks. Sourced by scripts/quickstart, scripts/test and
# scripts/soak.
#
# On Debian and Ubuntu it installs by apt-get, with sudo where the user is not root. Elsewhere it
# says what is missing. Every installation is announced; nothing is asked.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# The version that Cargo.toml asks for, such as 1.95.
rust_wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
# A service or a container may have no HOME; the shell then knows the user's home folder.
export HOME="${HOME:-$(cd ~ 2>/dev/null && pwd)}"
# Debian keeps dockerd where only root looks.
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH:/usr/sbin:/sbin"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/millstream/target}"
apt_updated=

say() { printf '==> %s\n' "$*"; }

fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

can_be_root() { [ "$(id -u)" = 0 ] || has sudo; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        fail "this needs root: $*" "run it as root, or install sudo, and start again"
    fi
}

apt_update() {
    [ -z "$apt_updated" ] || return 0
    local tries=24
    until as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q; do
        # Something else may hold the lists, which has no time-out of its own.
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 5
    done
    apt_updated=yes
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Installs those of the named packages that are missing. A machine that has just started often
# installs its updates, so what holds the lock is waited for.
apt_install() {
    local package missing=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing by apt-get: ${missing[*]}"
    apt_update
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a \
        apt-get install -qy --no-install-recommends -o DPkg::Lock::Timeout=600 "${missing[@]}"
}

# RocksDB and librdkafka are compiled from source, RocksDB's bindings are made by libclang.
ensure_build_tools() {
    if has apt-get; then
        apt_install build-essential cmake make pkg-config clang libclang-dev \
            libcurl4-openssl-dev libssl-dev zlib1g-dev ca-certificates curl git
        return
    fi
    local tool missing=()
    for tool in cc c++ cmake make pkg-config clang curl git; do
        has "$tool" || missing+=("$tool")
    done
    [ ${#missing[@]} -eq 0 ] || fail "not found: ${missing[*]}" \
        "install a C and C++ compiler, cmake, make, pkg-config, clang with libclang, curl, git," \
        "and the headers of OpenSSL, libcurl and zlib, with this system's package manager"
}

# The version of cargo in use, such as 1.95; empty where there is none.
cargo_version() {
    if has cargo; then
        cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9]*\.[0-9]*\).*/\1/p' || true
    fi
}

is_older() { [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

install_rustup() {
    # Apt's package replaces those of rustc and cargo, so it is not taken where they are in use.
    if has apt-get && ! is_installed cargo && ! is_installed rustc; then
        apt_update
        if [ -n "$(LC_ALL=C apt-cache policy rustup | sed -n '/Candidate: [^(]/p')" ]; then
            apt_install rustup
            return
        fi
    fi
    say "installing rustup into ${CARGO_HOME:-$HOME/.cargo} by its own installer"
    # What sh.rustup.rs serves, from the host that the toolchains come from.
    curl --proto '=https' --tlsv1.2 --retry 3 -sSf https://static.rust-lang.org/rustup/rustup-init.sh \
        | RUSTUP_INIT_SKIP_PATH_CHECK=yes sh -s -- -y -q --profile minimal --default-toolchain none \
        || fail "rustup could not be installed" "install Rust $rust_wanted or newer and start again"
}

# The components that a toolchain is installed with besides the compiler and cargo. Before bash 4.4
# an empty array counts as unset, hence its `+` below.
components=()

# ensure_rust build: any cargo that is new enough.
# ensure_rust test: rustfmt and clippy too, of exactly the version that the sources are kept clean
# for where rustup can provide it, because a newer clippy has newer lints.
ensure_rust() {
    local purpose=$1 present
    present=$(cargo_version)
    [ "$purpose" = build ] || components=(-c clippy -c rustfmt)
    if [ -z "$present" ] || is_older "$present" "$rust_wanted"; then
        say "Rust $rust_wanted is needed; this machine has ${present:-none}"
        has rustup || install_rustup
        hash -r
        use_toolchain
    elif [ "$purpose" = test ] && [ "$present" != "$rust_wanted" ] && has rustup; then
        say "Rust $present is here; the checks run with $rust_wanted"
        use_toolchain
    fi
    [ "$purpose" = test ] || return 0
    if ! cargo clippy --version >/dev/null 2>&1 || ! cargo fmt --version >/dev/null 2>&1; then
        has rustup || fail "clippy or rustfmt is missing" "install both for Rust $(cargo_version)"
        say "installing clippy and rustfmt by rustup"
        rustup component add clippy rustfmt
    fi
}

# Installs the wanted toolchain and uses it for this run; it becomes the default where none is set.
use_toolchain() {
    say "installing Rust $rust_wanted by rustup"
    rustup toolchain install "$rust_wanted" --profile minimal ${components[@]+"${components[@]}"} \
        || fail "Rust $rust_wanted could not be installed by rustup"
    rustup default >/dev/null 2>&1 || rustup default "$rust_wanted"
    export RUSTUP_TOOLCHAIN=$rust_wanted
}

# Kafka Streams on Java, beside which `scripts/test --java` runs. The jars are fetched once; programs
# are compiled when they have changed.
ensure_java() {
    if has apt-get; then
        has javac || apt_install default-jdk-headless
        has mvn || apt_install maven
    fi
    has javac && has mvn || fail "a JDK (javac) and Maven (mvn) are needed for the test with Java" \
        "install both (Debian, Ubuntu: apt-get install default-jdk-headless maven) and start again"
    local here=$root/tests/java cache=${XDG_CACHE_HOME:-$HOME/.cache}/millstream/java
    local version libs program classes=$cache/classes
    version=$(sed -n 's/.*<version>\(.*\)<\/version>.*/\1/p' "$here/pom.xml" | sed -n 2p)
    libs=$cache/kafka-streams-$version
    if [ ! -d "$libs" ]; then
        say "fetching Kafka Streams $version by Maven into $libs"
        rm -rf "$libs.part"
        mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
            -DoutputDirectory="$libs.part" \
            || fail "Kafka Streams $version could not be fetched by Maven"
        mv "$libs.part" "$libs"
    fi
    mkdir -p "$classes"
    for program in "$here"/*.java; do
        [ ! "$classes/$(basename "$program" .java).class" -nt "$program" ] || continue
        javac -nowarn -cp "$libs/*" -d "$classes" "$program" \
            || fail "$program could not be compiled"
    done
    export MILLSTREAM_JAVA_CLASSPATH="$libs/*:$classes"
}

engine_answers() { docker info >/dev/null 2>&1; }

# wait_for SECONDS COMMAND...
wait_for() {
    local left=$(($1 * 2))
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.5
    done
}

root_engine_answers() { as_root docker info >/dev/null 2>&1; }

start_engine() {
    has dockerd || return 0
    say "starting the Docker engine"
    if has service && as_root service docker start >/dev/null 2>&1 \
        && wait_for 20 root_engine_answers; then
        return 0
    fi
    local log=/var/log/dockerd.log
    as_root sh -c "setsid dockerd >$log 2>&1 </dev/null &"
    wait_for 30 root_engine_answers || say "it did not start; its log is $log"
}

# Debian 13 has the client in a package of its own; elsewhere docker.io holds both.
install_engine() {
    apt_install docker.io
    has docker || apt_install docker-cli
}

# The tests against a real Kafka run it in a container. Where a broker is named, those still need one
# that stop and kill theirs.
ensure_engine() {
    if [ -n "${KAFKA_BOOTSTRAP_SERVERS:-}" ]; then
        say "using the Kafka at $KAFKA_BOOTSTRAP_SERVERS (KAFKA_BOOTSTRAP_SERVERS)," \
            "and containers for the tests that stop their broker"
    fi
    ! engine_answers || return 0
    if ! has docker && has apt-get; then
        install_engine
    fi
    if has docker && can_be_root && ! root_engine_answers; then
        start_engine
    fi
    if has docker && can_be_root && ! engine_answers && root_engine_answers; then
        say "letting $(id -un) use the Docker engine until it restarts"
        if has apt-get; then apt_install acl; fi
        as_root setfacl -m "u:$(id -un):rw" /var/run/docker.sock
    fi
    engine_answers || fail "there is no container engine to run Kafka for the tests" \
        "install and start one (Debian, Ubuntu: apt-get install docker.io; Debian 13: docker-cli too)"
}
