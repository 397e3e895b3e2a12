// SPDX-License-Identifier: Apache-2.0
// What other users may put under a ring's name, and what they may see of ours. SECURITY.md says
// what is defended; each of its sentences about other users is a test here.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>
#include <vector>

#include "unit/shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;
constexpr uid_t kSomebody = 4242;  ///< Another plain user.
constexpr std::size_t kRing = 64 * kKibi;

bool is_root() { return geteuid() == 0; }

/// Runs `body` in a child, as `user` if that is not us. Its failures are ours.
template <class Body>
void run_as(uid_t user, Body body) {
  std::fflush(stdout);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(60);
    if (user != geteuid() && (setgid(user) != 0 || setuid(user) != 0)) _exit(2);
    body();
    std::fflush(stdout);
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << "as user " << user << "; 14: the watchdog";
}

/// As whom the tests run: this user, and a plain one where that can be arranged.
std::vector<uid_t> users() {
  return is_root() ? std::vector<uid_t>{0, kNobody} : std::vector<uid_t>{geteuid()};
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Everything about a file that a store, a truncation or a removal would change.
std::string portrait(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return "absent";
  std::string text = std::to_string(status.st_ino) + " " + std::to_string(status.st_mode) + " " +
                     std::to_string(status.st_uid) + " " + std::to_string(status.st_size) + " " +
                     std::to_string(status.st_mtim.tv_sec) + "." +
                     std::to_string(status.st_mtim.tv_nsec);
  if (S_ISREG(status.st_mode)) text += contents(path);
  if (S_ISLNK(status.st_mode)) text += fs::read_symlink(path).string();
  return text;
}

/// Both ends must be refused with one of these codes, and say which file it is about.
void expect_refused(const std::string& ring, const std::vector<ErrorCode>& codes) {
  const auto expect_one = [&](const char* who, auto open) {
    try {
      open();
      ADD_FAILURE() << who << " accepted it";
    } catch (const Error& error) {
      EXPECT_NE(std::find(codes.begin(), codes.end(), error.code()), codes.end())
          << who << ": " << error.what();
      EXPECT_NE(std::string(error.what()).find(ring), std::string::npos) << error.what();
    }
  };
  expect_one("a consumer", [&] { SharedRingBufferConsumer consumer(ring, kRing); });
  expect_one("a consumer without size", [&] { SharedRingBufferConsumer consumer(ring, 0); });
  expect_one("a producer", [&] { SharedRingBufferProducer producer(ring, kRing); });
}

// ---- what may lie under the name ----------------------------------------------------------------

/// A place outside /dev/shm that planted links point to.
class Elsewhere {
 public:
  Elsewhere() : directory_(fs::temp_directory_path() / unique_name()) {
    fs::create_directory(directory_);
    fs::permissions(directory_, fs::perms::all);
    std::ofstream(file()) << "precious";
    fs::permissions(file(), static_cast<fs::perms>(0666));
  }
  Elsewhere(const Elsewhere&) = delete;
  Elsewhere& operator=(const Elsewhere&) = delete;
  ~Elsewhere() { fs::remove_all(directory_); }
  [[nodiscard]] std::string file() const { return directory_ / "file"; }
  [[nodiscard]] std::string absent() const { return directory_ / "absent"; }

 private:
  fs::path directory_;
};

void make_ring(const std::string& path) {
  const std::string name = path.substr(path.find("ipc0cp.") + 7);
  SharedRingBufferProducer producer(name, kRing);
}

struct Plant {
  const char* name;
  void (*make)(const std::string& path, const Elsewhere& elsewhere);
  friend std::ostream& operator<<(std::ostream& out, const Plant& plant) {
    return out << plant.name;
  }
};
constexpr Plant kPlants[] = {
    {"Empty", [](const std::string& path, const Elsewhere&) { std::ofstream(path) << ""; }},
    {"Text", [](const std::string& path, const Elsewhere&) { std::ofstream(path) << "text"; }},
    {"TruncatedRing",
     [](const std::string& path, const Elsewhere&) {
       make_ring(path);
       fs::resize_file(path, 4096);
     }},
    {"SymlinkToAFile",
     [](const std::string& path, const Elsewhere& elsewhere) {
       fs::create_symlink(elsewhere.file(), path);
     }},
    {"SymlinkToNothing",
     [](const std::string& path, const Elsewhere& elsewhere) {
       fs::create_symlink(elsewhere.absent(), path);
     }},
    {"SymlinkToARing",
     [](const std::string& path, const Elsewhere& elsewhere) {
       make_ring(path);
       fs::rename(path, path + ".real");
       fs::copy_file(path + ".real", elsewhere.absent());
       fs::remove(path + ".real");
       fs::create_symlink(elsewhere.absent(), path);
     }},
    {"HardLinkToAFile",
     [](const std::string& path, const Elsewhere&) {
       std::ofstream(path + ".real") << "precious";
       fs::create_hard_link(path + ".real", path);
     }},
    {"HardLinkToARing",
     [](const std::string& path, const Elsewhere&) {
       make_ring(path);
       fs::create_hard_link(path, path + ".real");
     }},
    {"Fifo",
     [](const std::string& path, const Elsewhere&) { ASSERT_EQ(mkfifo(path.c_str(), 0666), 0); }},
    {"Socket",
     [](const std::string& path, const Elsewhere&) {
       sockaddr_un address{};
       address.sun_family = AF_UNIX;
       path.copy(address.sun_path, sizeof address.sun_path - 1);
       const int file = socket(AF_UNIX, SOCK_STREAM, 0);
       ASSERT_EQ(bind(file, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
       close(file);
     }},
    {"Directory", [](const std::string& path, const Elsewhere&) { fs::create_directory(path); }},
};

class Planted : public ::testing::TestWithParam<Plant> {
 protected:
  ~Planted() override {
    fs::remove(ring.path() + ".real");
    fs::remove(ring.path());
  }
  /// Refused by everybody, and nothing has changed: neither there nor behind a link.
  void expect_refused_and_left_alone() const {
    const auto all = [&] {
      return portrait(ring.path()) + portrait(ring.path() + ".real") + portrait(elsewhere.file()) +
             portrait(elsewhere.absent());
    };
    const std::string before = all();
    for (const uid_t user : users()) {
      SCOPED_TRACE(user);
      run_as(user, [&] {
        expect_refused(ring.get(), {ErrorCode::not_a_ring, ErrorCode::permission_denied});
      });
    }
    EXPECT_TRUE(all() == before) << "something was changed";
  }

  RingName ring;
  Elsewhere elsewhere;
};

TEST_P(Planted, ByOurselvesIsRefusedAndLeftAlone) {
  GetParam().make(ring.path(), elsewhere);
  expect_refused_and_left_alone();
}

TEST_P(Planted, ByAnotherUserIsRefusedAndLeftAlone) {
  if (!is_root()) GTEST_SKIP() << "only root can give files away";
  GetParam().make(ring.path(), elsewhere);
  ASSERT_EQ(lchown(ring.path().c_str(), kSomebody, kSomebody), 0);
  expect_refused_and_left_alone();
}
INSTANTIATE_TEST_SUITE_P(Security, Planted, ::testing::ValuesIn(kPlants),
                         [](const auto& info) { return std::string(info.param.name); });

// ---- owners and modes ---------------------------------------------------------------------------

unsigned mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(stat(path.c_str(), &status), 0);
  return status.st_mode & 07777U;
}

/// A ring of somebody, world-writable: its owner could read along, so it takes a word of trust.
TEST(Owners, WorldWritableRingOfAnotherUserNeedsTrust) {
  if (!is_root()) GTEST_SKIP() << "only root can give files away";
  const RingName ring;
  const SharedRingBufferProducer resident(ring.get(), kRing, {.mode = 0666});
  ASSERT_EQ(chown(ring.path().c_str(), kSomebody, kSomebody), 0);
  const std::string before = portrait(ring.path());
  for (const uid_t user : users()) {
    run_as(user, [&] { expect_refused(ring.get(), {ErrorCode::permission_denied}); });
  }
  EXPECT_TRUE(portrait(ring.path()) == before) << "a store into a foreign file";
  for (const uid_t user : users()) {
    run_as(user, [&] {
      SharedRingBufferConsumer consumer(ring.get(), 0,
                                        {.auto_unlink = false, .trusted_owners = {kSomebody}});
      SharedRingBufferProducer producer(ring.get(), 0, {.trusted_owners = {kSomebody}});
      producer.push_raw({}, bytes_of(5000, 1), 5s);
      EXPECT_TRUE(equal(consumer.pop_raw(5s)->payload(), bytes_of(5000, 1)));
    });
  }
}

/// In a directory like /dev/shm only its owner may remove a file, so this cannot be put right.
TEST(Owners, EmptyRingOfAnotherUserThatNobodyLivesInIsNamed) {
  if (!is_root()) GTEST_SKIP() << "only root can give files away";
  const RingName ring;
  { SharedRingBufferProducer producer(ring.get(), kRing, {.mode = 0666}); }
  ASSERT_EQ(chown(ring.path().c_str(), kSomebody, kSomebody), 0);
  run_as(kNobody, [&] {
    const std::string text = expect_code(ErrorCode::permission_denied, [&] {
      SharedRingBufferProducer producer(ring.get(), kRing, {.trusted_owners = {kSomebody}});
    });
    EXPECT_NE(text.find("4242"), std::string::npos) << text;
    EXPECT_NE(text.find("rm " + ring.path()), std::string::npos) << text;
  });
  EXPECT_TRUE(ring.exists());
}

/// A trusted owner's ring whose last consumer, another user, has closed: retired, but still named.
TEST(Owners, RetiredRingOfAnotherUserIsNamed) {
  if (!is_root()) GTEST_SKIP() << "only root can give files away";
  const RingName ring;
  const SharedRingBufferProducer resident(ring.get(), kRing, {.mode = 0666});
  ASSERT_EQ(chown(ring.path().c_str(), kSomebody, kSomebody), 0);
  run_as(kNobody, [&] {
    const ConsumerOptions options{.trusted_owners = {kSomebody}};
    { SharedRingBufferConsumer consumer(ring.get(), 0, options); }
    const std::string text = expect_code(ErrorCode::permission_denied, [&] {
      SharedRingBufferConsumer consumer(ring.get(), 0, options);
    });
    EXPECT_NE(text.find("4242"), std::string::npos) << text;
  });
}

/// Trust in the owner is not enough where the mode forbids it, and the mode not without trust.
TEST(Owners, PrivateRingIsClosedToOthers) {
  if (!is_root()) GTEST_SKIP() << "needs another user";
  const RingName ring;
  SharedRingBufferProducer producer(ring.get(), kRing);
  run_as(kNobody, [&] {
    const std::string text = expect_code(ErrorCode::permission_denied, [&] {
      SharedRingBufferConsumer consumer(ring.get(), 0, {.trusted_owners = {0}});
    });
    EXPECT_NE(text.find("mode="), std::string::npos) << text;
    std::ifstream file(ring.path());
    EXPECT_FALSE(file.is_open()) << "its messages can be read";
  });
  EXPECT_EQ(producer.stats().active_consumers, 0U);
}

TEST(Owners, FileThatMayNotBeOpenedIsNamed) {
  const RingName ring;
  for (const uid_t user : users()) {
    if (user == 0) continue;  // Root may open everything.
    run_as(user, [&] {
      make_ring(ring.path());
      ASSERT_EQ(chmod(ring.path().c_str(), 0), 0);
      expect_refused(ring.get(), {ErrorCode::permission_denied});
      fs::remove(ring.path());
    });
  }
}

TEST(Modes, AreWhatWasAskedForWhateverTheUmask) {
  for (const unsigned mode : {0600U, 0640U, 0660U, 0666U, 0777U}) {
    for (const mode_t mask : {mode_t{0}, mode_t{022}, mode_t{077}, mode_t{0777}}) {
      const RingName ring;
      const mode_t before = umask(mask);
      SharedRingBufferProducer producer(ring.get(), kRing, {.mode = mode});
      umask(before);
      EXPECT_EQ(mode_of(ring.path()), mode) << "umask " << mask;
    }
  }
  const RingName ring;
  const mode_t before = umask(0);
  SharedRingBufferConsumer consumer(ring.get(), kRing);
  umask(before);
  EXPECT_EQ(mode_of(ring.path()), 0600U) << "the default is private";
}

TEST(Modes, ThatLockTheOwnerOutOrGiveMoreThanPermissionsAreRefused) {
  for (const unsigned mode : {0U, 0400U, 0577U, 01777U, 04755U, ~0U}) {
    const RingName ring;
    const std::string text = expect_code(ErrorCode::invalid_argument, [&] {
      SharedRingBufferProducer producer(ring.get(), kRing, {.mode = mode});
    });
    EXPECT_NE(text.find("0o600"), std::string::npos) << text;
    EXPECT_FALSE(ring.exists());
  }
}

// ---- names --------------------------------------------------------------------------------------

std::vector<std::string> files_of_rings() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(platform::ring_directory())) {
    // Those of this process: tests run side by side.
    if (entry.path().string().find(std::to_string(getpid())) != std::string::npos) {
      names.push_back(entry.path().filename());
    }
  }
  return names;
}

TEST(Names, ThatLeaveTheDirectoryOrCannotBeShownAreRefused) {
  const std::string own = std::to_string(getpid());
  const std::string strange[] = {"",
                                 "/",
                                 "//" + own,
                                 "../" + own,
                                 "/../" + own,
                                 own + "/../x",
                                 own + "/x",
                                 std::string(201, 'x'),
                                 "/" + std::string(201, 'x'),
                                 std::string(100'000, 'x'),
                                 own + std::string("\0x", 2),
                                 own + "\n",
                                 own + "\x1b[31m",
                                 own + " ",
                                 own + "\\",
                                 own + "\xc3\xa9",
                                 own + "\xff",
                                 own + "%n%s"};
  for (const std::string& name : strange) {
    const std::string text = expect_code(ErrorCode::invalid_argument,
                                         [&] { SharedRingBufferConsumer consumer(name, kRing); });
    expect_code(ErrorCode::invalid_argument,
                [&] { SharedRingBufferProducer producer(name, kRing); });
    EXPECT_NE(text.find("1..200"), std::string::npos) << text;
    EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char character) {
      return character >= ' ' && character <= '~';
    })) << "nothing of it reaches a terminal as it is";
    EXPECT_LT(text.size(), 1000U);
  }
  EXPECT_TRUE(files_of_rings().empty());
}

/// Dots are ordinary characters, because the prefix keeps the name in its place.
TEST(Names, OfDotsStayInTheDirectory) {
  const std::string own = std::to_string(getpid());
  for (const std::string& name :
       {".." + own, "." + own, own + "..", "-" + own, own + std::string(200 - own.size(), 'x')}) {
    SharedRingBufferConsumer consumer(name, kRing);
    EXPECT_EQ(files_of_rings(), std::vector<std::string>{"ipc0cp." + name});
  }
  EXPECT_TRUE(files_of_rings().empty());
}

}  // namespace
}  // namespace ipc0cp::testing
