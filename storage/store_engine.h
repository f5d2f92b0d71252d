// StoreEngine: the engine that readers and the writer work on, and the gate through which it is
// exchanged for another one. Whoever works on it is inside the gate for as long; exchanging waits
// until nobody is, and keeps everybody out meanwhile: a thread that is inside never enters again.
// Sessions and cursors are made anew, by their owners, when the engine is new.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/check.h"
#include "storage/store_view.h"
#include "storage/wt_session.h"

namespace kvorum::storage {

class StoreEngine {
 public:
  explicit StoreEngine(std::unique_ptr<WtConnection> connection)
      : connection_(std::move(connection)) {}
  ~StoreEngine() { CHECK(users_.load() == 0, "a store outlives its readers and its writer"); }
  StoreEngine(const StoreEngine&) = delete;
  StoreEngine& operator=(const StoreEngine&) = delete;

  // By who is inside, or holds off exchanges otherwise.
  WtConnection& connection() { return *connection_; }
  // How many engines there were: what was opened in an earlier one is gone.
  uint64_t generation() const { return generation_; }

  // Waits while the engine is exchanged. May be left on another thread.
  void enter() {
    uint32_t now = gate_.load(std::memory_order_relaxed);
    while (!add_one(now)) {
      gate_.wait(now, std::memory_order_relaxed);
      now = gate_.load(std::memory_order_relaxed);
    }
  }
  // False while the engine is exchanged: for who may already be inside, and must not wait.
  [[nodiscard]] bool try_enter() {
    uint32_t now = gate_.load(std::memory_order_relaxed);
    return add_one(now);
  }
  void leave() {
    if (gate_.fetch_sub(1, std::memory_order_release) == (kShut | 1)) gate_.notify_all();
  }

  // The exchange, by one thread: nobody is inside from shut() to open().
  void shut();
  void stop();
  void start(std::unique_ptr<WtConnection> connection);
  void open();

  // Readers and writers, inside or not.
  void add_user() { users_.fetch_add(1); }
  void remove_user() { users_.fetch_sub(1); }

 private:
  static constexpr uint32_t kShut = uint32_t{1} << 31;

  // False if the gate is shut. `now` is what it was last seen as.
  bool add_one(uint32_t& now) {
    while ((now & kShut) == 0) {
      if (gate_.compare_exchange_weak(now, now + 1, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  std::unique_ptr<WtConnection> connection_;
  uint64_t generation_ = 1;
  std::atomic<uint32_t> gate_{0};  // how many are inside, and kShut
  std::atomic<uint32_t> users_{0};
};

// Sessions and cursors of one thread: made when the gate is entered for the first time, and again
// when the engine is a new one.
template <class Handles>
class EngineHandles {
 public:
  explicit EngineHandles(StoreEngine& engine) : engine_(engine) { engine_.add_user(); }
  // Not inside. A session is closed by its owner or with its engine, never by both at once.
  ~EngineHandles() {
    engine_.enter();
    drop();
    engine_.leave();
    engine_.remove_user();
  }
  EngineHandles(const EngineHandles&) = delete;
  EngineHandles& operator=(const EngineHandles&) = delete;

  // True if the handles are new.
  bool enter(PictureOwner& owner) {
    engine_.enter();
    if (generation_ == engine_.generation()) [[likely]]
      return false;
    drop();
    handles_.emplace(engine_.connection(), owner);
    generation_ = engine_.generation();
    return true;
  }
  void leave() { engine_.leave(); }
  Handles* operator->() { return &*handles_; }

 private:
  void drop() {
    if (handles_ && generation_ != engine_.generation()) handles_->session.forget();
    handles_.reset();
  }

  StoreEngine& engine_;
  std::optional<Handles> handles_;
  uint64_t generation_ = 0;  // of the engine that `handles_` are of
};

}  // namespace kvorum::storage
