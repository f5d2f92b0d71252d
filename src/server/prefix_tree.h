// PrefixTree: strings with values, asked for all strings that are a prefix of a given text. A radix
// tree: the cost is the length of the text and the number of matches, not the number of strings.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace kvorum::server {

template <class Value>
class PrefixTree {
 public:
  // The value at `prefix`, default-constructed if it was not there.
  Value& operator[](std::string_view prefix) {
    Node* node = &root_;
    while (!prefix.empty()) node = step_or_grow(*node, prefix);
    if (!node->value) node->value = std::make_unique<Value>();
    return *node->value;
  }

  Value* find(std::string_view prefix) {
    Node* node = &root_;
    while (!prefix.empty()) {
      auto child = node->children.find(prefix[0]);
      if (child == node->children.end() || !prefix.starts_with(child->second->label)) {
        return nullptr;
      }
      node = child->second.get();
      prefix.remove_prefix(node->label.size());
    }
    return node->value.get();
  }

  void erase(std::string_view prefix) { erase_below(root_, prefix); }

  // Calls `visit(value)` for every string held that `text` starts with, shortest first.
  template <class Visit>
  void for_each_prefix_of(std::string_view text, Visit&& visit) const {
    const Node* node = &root_;
    while (true) {
      if (node->value) visit(*node->value);
      if (text.empty()) return;
      auto child = node->children.find(text[0]);
      if (child == node->children.end() || !text.starts_with(child->second->label)) return;
      node = child->second.get();
      text.remove_prefix(node->label.size());
    }
  }

  bool empty() const { return !root_.value && root_.children.empty(); }

 private:
  struct Node {
    std::string label;  // what the edge to this node adds; not empty but at the root
    std::unique_ptr<Value> value;
    std::map<char, std::unique_ptr<Node>> children;
  };

  // Goes one edge towards `prefix`, making or splitting it as needed, and drops what it covered.
  static Node* step_or_grow(Node& node, std::string_view& prefix) {
    std::unique_ptr<Node>& child = node.children[prefix[0]];
    if (!child) {
      child = std::make_unique<Node>();
      child->label = prefix;
    }
    size_t shared = 0;
    size_t most = std::min(child->label.size(), prefix.size());
    while (shared < most && child->label[shared] == prefix[shared]) ++shared;
    if (shared < child->label.size()) split(child, shared);
    prefix.remove_prefix(shared);
    return child.get();
  }

  // Puts a node in the middle of the edge to `child`, after `length` bytes of its label.
  static void split(std::unique_ptr<Node>& child, size_t length) {
    auto upper = std::make_unique<Node>();
    upper->label = child->label.substr(0, length);
    child->label.erase(0, length);
    char first = child->label[0];
    upper->children.emplace(first, std::move(child));
    child = std::move(upper);
  }

  static void erase_below(Node& node, std::string_view prefix) {
    if (prefix.empty()) {
      node.value.reset();
      return;
    }
    auto found = node.children.find(prefix[0]);
    if (found == node.children.end() || !prefix.starts_with(found->second->label)) return;
    std::unique_ptr<Node>& child = found->second;
    erase_below(*child, prefix.substr(child->label.size()));
    if (child->value || child->children.size() > 1) return;
    if (child->children.empty()) {
      node.children.erase(found);
      return;
    }
    std::unique_ptr<Node> only = std::move(child->children.begin()->second);
    only->label.insert(0, child->label);
    child = std::move(only);
  }

  Node root_;
};

}  // namespace kvorum::server
