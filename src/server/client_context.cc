#include "server/client_context.h"

#include <utility>

#include "base/check.h"
#include "server/client_loop.h"

namespace kvorum::server {

void Deferred::complete(std::string reply) const {
  loop_->post_deferred(slot_, session_id_, std::move(reply));
}

Deferred ClientContext::defer() {
  CHECK(!session_.deferred, "a command is deferred twice");
  session_.deferred = true;
  session_.deferred_silent = session_.silent();
  return {loop_, session_.slot, session_.id, session_.protocol};
}

}  // namespace kvorum::server
