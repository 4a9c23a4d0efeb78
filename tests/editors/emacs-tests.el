;;; emacs-tests.el --- What Eglot and Conexus do together  -*- lexical-binding: t -*-

;; Run by test_emacs.py in the sample workspace, after the guide's configuration.  The environment has the
;; sample's questions and answers.

;;; Code:

(require 'eglot)
(require 'ert)
(require 'xref)

(defvar conexus-tests-patience 30 "Seconds after which a test has failed.")

(defun conexus-tests-until (function)
  "What FUNCTION returns, once that is something."
  (with-timeout (conexus-tests-patience (error "It never came: %S" function))
    (let (value)
      (while (not (setq value (funcall function)))
        (accept-process-output nil 0.05))
      value)))

(defun conexus-tests-visit (file)
  "Show FILE in a window, as Eglot wants it, and return its server."
  (switch-to-buffer (find-file-noselect file))
  (unless (eglot-managed-p)
    (call-interactively #'eglot))
  (conexus-tests-until #'eglot-current-server))

(defun conexus-tests-names (query)
  "The names of the code that QUERY finds: they are marked in the lines that Emacs shows."
  (mapcar (lambda (found)
            (let* ((line (xref-item-summary found))
                   (start (text-property-any 0 (length line) 'face 'xref-match line)))
              (substring-no-properties line start (next-single-property-change start 'face line (length line)))))
          (xref-backend-apropos 'eglot query)))

(defun conexus-tests-execute (command &rest arguments)
  "The answer to COMMAND of the server with ARGUMENTS."
  (jsonrpc-request (eglot-current-server) :workspace/executeCommand
                   (list :command command :arguments (vconcat arguments))))

(ert-deftest conexus-answers-at-once-and-completely ()
  (conexus-tests-visit "shop/checkout.py")
  (should (equal (car (conexus-tests-names (getenv "QUERY"))) (getenv "ANSWER"))))

(ert-deftest conexus-finds-the-column-behind-wide-characters ()
  (conexus-tests-visit "shop/checkout.py")
  (dolist (opened '(nil t))
    (when opened
      (find-file-noselect "web/party.ts"))
    (let* ((found (car (xref-backend-apropos 'eglot (getenv "EMOJI_QUERY"))))
           (place (xref-item-location found)))
      (should (equal (xref-file-location-column place) (string-to-number (getenv "EMOJI_COLUMN"))))
      (xref-pop-to-location found)
      (should (equal (thing-at-point 'symbol t) (getenv "EMOJI_ANSWER"))))
    (conexus-tests-visit "shop/checkout.py")))

(ert-deftest conexus-has-the-requests-and-their-commands ()
  (let* ((server (conexus-tests-visit "shop/checkout.py"))
         (query (getenv "QUERY"))
         (answer (jsonrpc-request server :conexus/search (list :query query :limit 3)))
         (same (conexus-tests-execute "conexus.server.search" query 3)))
    (should (equal (plist-get (aref (plist-get answer :hits) 0) :symbol) (getenv "ANSWER")))
    (should (equal (plist-get answer :hits) (plist-get same :hits)))
    (conexus-tests-until (lambda () (eq t (plist-get (conexus-tests-execute "conexus.server.status") :quiescent))))
    (should (eq t (plist-get (conexus-tests-execute "conexus.server.pause") :paused)))
    (should (eq :json-false (plist-get (conexus-tests-execute "conexus.server.resume") :paused)))
    (should-not (conexus-tests-execute "conexus.server.reindex"))
    (conexus-tests-until (lambda () (eq t (plist-get (conexus-tests-execute "conexus.server.status") :quiescent))))))

(ert-deftest conexus-filters-by-words-in-the-query ()
  (conexus-tests-visit "shop/checkout.py")
  (let ((found (conexus-tests-until
                (lambda ()
                  (append (plist-get (conexus-tests-execute "conexus.server.search" "lang:go send the bill") :hits)
                          nil)))))
    (should (equal (seq-uniq (mapcar (lambda (hit) (plist-get hit :language)) found)) '("go")))))

(ert-deftest conexus-refuses-in-words ()
  (conexus-tests-visit "shop/checkout.py")
  (let ((refusal (should-error (conexus-tests-execute "conexus.server.search" "x" "five") :type 'jsonrpc-error)))
    (should (string-search "limit" (alist-get 'jsonrpc-error-message (cddr refusal))))))

(ert-deftest conexus-offers-one-action-of-its-own-kind ()
  (conexus-tests-visit "shop/checkout.py")
  (dolist (kind '(nil "source.conexus.related" "source"))
    (should (equal (mapcar (lambda (action) (plist-get action :title)) (eglot-code-actions (point) (point) kind))
                   '("Find related code"))))
  (should-not (eglot-code-actions (point) (point) "quickfix")))

(ert-deftest conexus-shows-a-page ()
  (conexus-tests-visit "shop/checkout.py")
  (conexus-results (getenv "QUERY"))
  (conexus-tests-until (lambda () (string-prefix-p "results-" (buffer-name (window-buffer)))))
  (with-current-buffer (window-buffer)
    (should (equal (buffer-substring (point-min) (line-end-position)) (concat "# " (getenv "QUERY"))))))

(ert-deftest conexus-sees-what-is-typed-and-forgets-what-is-thrown-away ()
  (conexus-tests-visit "shop/prices.py")
  (goto-char (point-max))
  (insert "\n\n" (getenv "NEW_CODE") "\n")
  (eglot--signal-textDocument/didChange) ; Emacs in batch is never idle, and that is when Eglot sends changes
  (conexus-tests-until (lambda () (equal (car (conexus-tests-names (getenv "NEW_QUERY"))) (getenv "NEW_ANSWER"))))
  (set-buffer-modified-p nil)
  (kill-buffer)
  (conexus-tests-visit "shop/checkout.py")
  (conexus-tests-until (lambda () (not (member (getenv "NEW_ANSWER") (conexus-tests-names (getenv "NEW_QUERY")))))))

(ert-deftest conexus-ends-and-starts-again ()
  (let ((server (conexus-tests-visit "shop/checkout.py")))
    (eglot-shutdown server nil conexus-tests-patience)
    (should-not (jsonrpc-running-p server))
    (should-not (eq server (conexus-tests-visit "shop/checkout.py")))))

;; With the guide's settings.

(ert-deftest settings-leave-files-out ()
  (conexus-tests-visit "shop/checkout.py")
  (conexus-tests-until
   (lambda ()
     (equal '("shop_plants.py")
            (seq-filter (lambda (file) (string-suffix-p "_plants.py" file))
                        (mapcar (lambda (found)
                                  (file-name-nondirectory (xref-location-group (xref-item-location found))))
                                (xref-backend-apropos 'eglot (getenv "NEW_QUERY"))))))))

;; In a folder of code that must not run.

(ert-deftest planted-code-is-found-and-what-is-related-to-it ()
  (conexus-tests-visit "greeting.py")
  (conexus-tests-until (lambda () (equal (car (conexus-tests-names "say hello to one person")) "greet")))
  (conexus-tests-until
   (lambda ()
     (let ((related (jsonrpc-request (eglot-current-server) :conexus/related
                                     (list :textDocument (list :uri (eglot-path-to-uri buffer-file-name))
                                           :position (list :line 0 :character 4)))))
       (seq-some (lambda (hit) (equal (plist-get hit :symbol) "greet_everybody")) (plist-get related :hits))))))

;; Of the server beside Conexus.

(ert-deftest other-definitions-are-those-of-the-other-server ()
  (conexus-tests-visit "shop/checkout.py")
  (goto-char (point-min))
  (search-forward "return add_sales_tax")
  (let ((found (conexus-tests-until
                (lambda () (ignore-errors (xref-backend-definitions 'eglot (thing-at-point 'symbol)))))))
    (should (string-suffix-p "shop/prices.py" (xref-location-group (xref-item-location (car found)))))))

(defun conexus-tests (selector)
  "Run the tests with names that match SELECTOR, and end Emacs."
  (let ((eglot-sync-connect t) ; wait for the server: nobody types meanwhile
        (eglot-connect-timeout conexus-tests-patience)
        (jsonrpc-default-request-timeout conexus-tests-patience))
    (ert-run-tests-batch-and-exit selector)))

;;; emacs-tests.el ends here
